"""Style: colours, underlines and fonts; what the cards and pages of this room look like, in light and dark.

Blue and vermilion are those of Okabe and Ito (2008), told apart with any colour vision; the kind of underline repeats the sign."""

from __future__ import annotations

from xlmkit.render.words import LEVELS


def _shades() -> str:
    """Background and underline of each level; the text keeps the theme's colour, so the shades are translucent."""
    rules = []
    for sign, colour, line in (("p", "0,114,178", "solid"), ("n", "213,94,0", "dashed")):
        for level in range(1, LEVELS + 1):
            alpha = 0.1 + 0.46 * level / LEVELS
            width = 1 + round(2 * level / LEVELS)
            rules.append(
                f".xk .xk-{sign}{level}{{background:rgba({colour},{alpha:.2f});border-bottom:{width}px {line} rgb({colour})}}"
            )
    return "".join(rules)


SANS = 'system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif'
STYLE = (
    f".xk{{font:15px/1.5 {SANS};color:inherit;border:1px solid rgba(128,128,128,.4);border-radius:8px;padding:12px 16px;"
    "margin:10px 0;max-width:60em;unicode-bidi:isolate}"
    ".xk-head{display:flex;flex-wrap:wrap;gap:4px 14px;align-items:baseline;font-size:.87em}"
    ".xk-label{font-size:1.2em}.xk-id{margin-inline-start:auto}.xk-why,.xk-id,.xk-gold{opacity:.8}"
    ".xk p.xk-banner{margin:8px 0 0;padding:5px 10px;border:2px solid currentColor;border-radius:4px;font-size:.9em;"
    "background:repeating-linear-gradient(135deg,rgba(128,128,128,.18) 0 6px,transparent 6px 12px)}"
    ".xk-row{display:flex;gap:14px;align-items:baseline;margin:6px 0}"
    ".xk-side{flex:0 0 6.2em;font-size:.78em;line-height:1.35;opacity:.75}"
    ".xk p.xk-text{flex:1 1 auto;min-width:0;margin:0;font-size:1.2em;line-height:2.3;white-space:pre-wrap;overflow-wrap:anywhere;"
    "unicode-bidi:isolate;text-align:start}"
    '.xk-text:lang(hi){font-family:"Noto Sans Devanagari","Kohinoor Devanagari","Nirmala UI",Mangal,sans-serif}'
    '.xk-text:lang(th){font-family:"Noto Sans Thai","Leelawadee UI",Thonburi,Sarabun,Tahoma,sans-serif}'
    '.xk-text:lang(ar){font-family:"Noto Naskh Arabic","Geeza Pro","Segoe UI",Amiri,Tahoma,sans-serif}'
    '.xk-text:lang(ur){font-family:"Noto Nastaliq Urdu","Jameel Noori Nastaleeq","Urdu Typesetting","Noto Naskh Arabic",Tahoma,sans-serif}'
    ".xk p.xk-text:lang(ur){line-height:3}"  # Nastaliq slopes down over two lines of another script
    '.xk-text:lang(zh){font-family:"Noto Sans CJK SC","Noto Sans SC","PingFang SC","Microsoft YaHei","Source Han Sans SC",sans-serif}'
    ".xk-w{position:relative;border-radius:3px 3px 0 0}"
    # Thai and Chinese have no blanks: a hairline, which moves no letter, says where a word begins.
    ".xk-text:is(:lang(th),:lang(zh)) .xk-w{box-shadow:inset 1px 0 rgba(128,128,128,.6)}"
    f".xk sub{{position:absolute;top:100%;left:50%;transform:translateX(-50%);margin-top:3px;font:600 .58em/1 {SANS};white-space:nowrap;"
    "font-variant-numeric:tabular-nums;opacity:.85;user-select:none}"
    ".xk-code{font:.7em ui-monospace,monospace;border:1px solid currentColor;border-radius:3px;opacity:.7;unicode-bidi:isolate}"
    ".xk-cut{opacity:.4}"
    ".xk-legend,.xk-account{display:flex;flex-wrap:wrap;gap:2px 12px;align-items:baseline;font-size:.8em;opacity:.9;margin-top:10px;"
    "font-variant-numeric:tabular-nums}"
    ".xk-scale{display:inline-flex;gap:2px}.xk-sample{padding:0 8px;min-width:3em;text-align:center}"
    ".xk-verdict{margin-inline-start:auto}"
    ".xk-all{font-size:.8em;margin-top:6px}.xk-all summary{cursor:pointer;opacity:.75}"
    ".xk .xk-all table{font-size:inherit;border-collapse:collapse;border:0;margin:4px 0 0;table-layout:auto}"
    ".xk .xk-all td,.xk .xk-all th{padding:1px 12px 1px 0;text-align:start;background:none;max-width:none}"
    ".xk .xk-all td:last-child,.xk .xk-all th:last-child{text-align:end;font-variant-numeric:tabular-nums}"
    ".xk-failed,.xk-untrained{border:2px dashed currentColor}"
    ".xk-failed .xk-text,.xk-failed .xk-scale,.xk-untrained .xk-text,.xk-untrained .xk-scale{filter:grayscale(1);opacity:.6}"
    + _shades()
)
GRID_STYLE = (
    ".xk.xk-grid{max-width:none}.xk.xk-grid>table{width:100%;border-collapse:collapse;border:0;margin:8px 0 0;font-size:inherit;table-layout:auto}"
    ".xk.xk-grid>table>*>tr{background:none;border-top:1px solid rgba(128,128,128,.3)}.xk.xk-grid>table>thead>tr{border-top:0}"
    ".xk.xk-grid>table>*>tr>*{padding:5px 14px 5px 0;text-align:start;vertical-align:top;font-weight:400;background:none;max-width:none;"
    "white-space:normal}"
    ".xk.xk-grid>table>thead>tr>th{font-size:.78em;opacity:.75}"
    ".xk.xk-grid>table>tbody>tr>th{width:9.5em;font-size:.82em;line-height:1.45}"
    ".xk.xk-grid p.xk-text{font-size:1.05em;line-height:2.5}.xk.xk-grid p.xk-text:lang(ur){line-height:3.1}"
    ".xk.xk-grid>table>tbody>tr>td.xk-english{width:27%;padding-right:0;font-size:.82em;opacity:.8}.xk-english p{margin:0 0 4px;white-space:pre-wrap;"
    "overflow-wrap:anywhere;unicode-bidi:isolate}.xk-wrong{font-weight:700}"
)
PAGE_STYLE = (
    f":root{{color-scheme:light dark}}body{{margin:0;padding:16px;background:Canvas;color:CanvasText;font:15px/1.5 {SANS}}}"
    "main,footer{max-width:62em;margin:0 auto}h1{font-size:1.4em}h2{font-size:1em}footer{font-size:.85em;margin-top:24px}"
    "dl{display:grid;grid-template-columns:max-content 1fr;gap:2px 16px}dt{opacity:.7}dd{margin:0;overflow-wrap:anywhere}"
    ".xk{content-visibility:auto;contain-intrinsic-size:auto 260px}"
)
