"""Style: how controls, bars and strips look, in light and dark; the words' own shades are those of `xlmkit.render`."""

from __future__ import annotations

from xlmkit.render.style import STYLE as WORDS

BARS = (
    ".xk-bars.xk-bars{border-collapse:collapse;border:0;font-size:.92em;font-variant-numeric:tabular-nums;margin:4px 0!important;table-layout:auto}"
    ".xk-bars tr{background:none!important}.xk-bars.xk-bars th,.xk-bars.xk-bars td{padding:2px 10px 2px 0;text-align:start;font-weight:400;max-width:none;border:0}"
    ".xk-bars.xk-bars td.xk-number{text-align:end;white-space:nowrap}.xk-bars.xk-bars tr.xk-best>*{font-weight:700}"
    ".xk-bars td.xk-track{width:14em;min-width:7em;padding-right:10px}"
    ".xk-bar{display:block;height:.8em;border-radius:2px;background:rgb(0,114,178)}"
    ".xk-bar.xk-then{height:.35em;margin-top:2px;background:none;border:1px dashed currentColor;box-sizing:border-box}"
)
FIELDS = (
    ".xk-field-box{display:flex;flex-direction:column;flex:1 1 auto;min-width:14em}"
    ".xk-field-label{font-weight:600;font-size:.9em}"
    ".xk-field{font-family:inherit;font-size:1.15em;line-height:1.6;width:100%;box-sizing:border-box;padding:5px 9px;border:1px solid rgba(128,128,128,.7);"
    "border-radius:4px;background:transparent;color:inherit;resize:vertical;unicode-bidi:plaintext}"
    ".xk-field.xk-text:lang(ur){line-height:3}"  # Nastaliq, as in `render`
    "[class*=xk-live-] :is(input[type=text],textarea){unicode-bidi:plaintext;text-align:start}"  # ipywidgets' own: each text in its direction
    ".xk-field:focus-visible{outline:2px solid rgb(0,114,178);outline-offset:-2px}"  # inside: the box cuts off what is around it
    ".xk-clickable [data-xk]{cursor:pointer}.xk-clickable [data-xk]:hover{outline:1px solid currentColor}"
    ".xk-clickable [data-xk]:focus-visible{outline:3px solid rgb(230,159,0);outline-offset:1px}"
    ".xk-tip{position:absolute;z-index:10;width:max-content;max-width:min(26em,60%);padding:6px 10px;border:1px solid rgba(128,128,128,.8);border-radius:4px;"
    "background:var(--jp-layout-color1,Canvas);font-size:1.05em;line-height:1.6;pointer-events:none}.xk-tip[hidden]{display:none}"
    ".xk-w[data-masked]{text-decoration:line-through 2px;opacity:.65}.xk-w[aria-pressed=true]{outline:2px solid currentColor}"
    ".xk-sr{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}"
)
STATUS = (
    ".xk-notice{margin:4px 0;padding:5px 10px;border:1px solid rgba(128,128,128,.6);border-left-width:5px;border-radius:3px;font-size:.92em}"
    ".xk-error{border-color:rgb(213,94,0)}.xk-original{opacity:.8;font-size:.9em;margin:2px 0}"
)
STYLE = BARS + FIELDS + STATUS + WORDS
"""Everything, for a page; fragments that stand alone (pictures) bring it along."""
