// What ipywidgets' core controls cannot do: a text field with `lang` and `dir`; HTML whose marked parts are chosen by mouse or keyboard;
// a switch between a live explorer and its picture. No text becomes markup here: what `html` holds was escaped where it was made.

function textField({ model, el }) {
  const id = `xk-field-${Math.random().toString(36).slice(2)}`; // each widget has its own module, so a counter would restart in each
  const label = Object.assign(document.createElement("label"), { htmlFor: id, className: "xk-field-label" });
  const field = Object.assign(document.createElement("textarea"), { id, className: "xk-field xk-text", spellcheck: false });
  const send = () => {
    model.set("value", field.value);
    model.save_changes();
  };
  field.addEventListener("input", (event) => event.isComposing || send());
  field.addEventListener("compositionend", send);
  // Syncing is throttled, and a click on a button may overtake it; this message is not.
  const finish = (key) => tell(model, { key, value: field.value });
  field.addEventListener("change", () => finish("change"));
  field.addEventListener("keydown", (event) => {
    if (field.rows > 1 || event.isComposing || !["Enter", "Escape"].includes(event.key)) return;
    finish(event.key);
    event.preventDefault();
    event.stopPropagation();
  });
  model.on("msg:custom", (message) => message.do === "focus" && focusSoon(() => field, true));
  const show = () => {
    label.textContent = model.get("label");
    field.lang = model.get("lang");
    field.dir = model.get("dir");
    field.rows = model.get("rows");
    if (field.value !== model.get("value")) field.value = model.get("value");
  };
  show();
  for (const name of ["value", "label", "lang", "dir", "rows"]) model.on(`change:${name}`, show);
  el.classList.add("xk-field-box");
  el.append(label, field);
}

function clickable({ model, el }) {
  const host = document.createElement("div");
  host.className = "xk-clickable";
  const hideTip = tips(host, el);
  let stop = 0; // the part that the Tab key comes to
  const parts = () => [...host.querySelectorAll("[data-xk]")];

  const setStop = (index, focus) => {
    const all = parts();
    if (!all.length) return;
    stop = Math.min(Math.max(index, 0), all.length - 1);
    all.forEach((part, place) => (part.tabIndex = place === stop ? 0 : -1));
    if (focus) all[stop].focus();
  };
  const show = () => {
    const focused = host.contains(document.activeElement) ? document.activeElement.dataset.xk : undefined;
    hideTip();
    host.innerHTML = model.get("html");
    for (const part of parts()) {
      if (!part.hasAttribute("role")) part.setAttribute("role", "button");
      // Keys belong to the parts: without this on the very element that has the focus, "x" would cut the notebook's cell.
      part.setAttribute("data-lm-suppress-shortcuts", "true");
    }
    const same = parts().findIndex((part) => part.dataset.xk === focused);
    setStop(focused !== undefined && same >= 0 ? same : stop, focused !== undefined);
  };
  const describe = () => {
    const label = model.get("label");
    label ? host.setAttribute("aria-label", label) : host.removeAttribute("aria-label");
    label ? host.setAttribute("role", model.get("live") ? "status" : "group") : host.removeAttribute("role");
    host.setAttribute("aria-live", model.get("live") ? "polite" : "off");
  };
  const choose = (part) => {
    setStop(parts().indexOf(part), false);
    tell(model, { chosen: part.dataset.xk });
  };
  const beside = (part, down) => {
    // the nearest part in the next line, for tables and for sentences of several lines
    const from = part.getBoundingClientRect();
    const distance = (other) => {
      const to = other.getBoundingClientRect();
      const lines = down ? to.top - from.top : from.top - to.top;
      return lines > from.height / 2 ? 1000 * lines + Math.abs(to.left + to.right - from.left - from.right) : Infinity;
    };
    const best = parts().reduce((one, other) => (distance(other) < distance(one) ? other : one), part);
    return parts().indexOf(best);
  };
  host.addEventListener("click", (event) => {
    const part = event.target.closest("[data-xk]");
    if (part) choose(part);
  });
  host.addEventListener("keydown", (event) => {
    const part = event.target;
    if (!part.matches?.("[data-xk]") || event.ctrlKey || event.metaKey || event.altKey) return;
    const here = parts().indexOf(part);
    const onward = getComputedStyle(part.parentElement).direction === "rtl" ? -1 : 1;
    const moves = {
      ArrowRight: () => here + onward,
      ArrowLeft: () => here - onward,
      ArrowDown: () => beside(part, true),
      ArrowUp: () => beside(part, false),
      Home: () => 0,
      End: () => parts().length - 1,
    };
    if (event.key in moves) setStop(moves[event.key](), true);
    else if (event.key === "Enter" || event.key === " ") choose(part);
    else if (event.key === "Escape") tell(model, { chosen: "" });
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  show();
  describe();
  model.on("change:html", show);
  for (const name of ["label", "live"]) model.on(`change:${name}`, describe);
  model.on("msg:custom", (message) => {
    if (message.download) download(message.download);
    if (message.do === "focus") focusSoon(() => parts()[stop]);
  });
  el.append(host);
}

function tips(host, el) {
  // The title of a drawn part, at once and each line in its own direction; a browser's own tip comes late and gives all lines the page's.
  const tip = Object.assign(document.createElement("div"), { className: "xk-tip", hidden: true });
  tip.setAttribute("aria-hidden", "true"); // the title itself is what is read out
  let over, title, text;
  const hide = () => {
    if (title) title.textContent = text;
    over = title = undefined;
    tip.hidden = true;
  };
  host.addEventListener("pointerover", (event) => {
    const part = event.target.closest("svg [data-xk]");
    if (part === over) return;
    hide();
    title = part?.querySelector(":scope > title");
    if (!title) return;
    over = part;
    text = title.textContent;
    title.textContent = ""; // no second tip over this one
    tip.replaceChildren(...text.split("\n").map((line) => Object.assign(document.createElement("div"), { dir: "auto", textContent: line })));
    const [frame, point] = [el.getBoundingClientRect(), part.getBoundingClientRect()];
    const [right, below] = [point.left < frame.left + frame.width / 2, point.top < frame.top + frame.height / 2];
    tip.style.inset = [
      below ? `${point.bottom - frame.top + 6}px` : "auto",
      right ? "auto" : `${frame.right - point.left + 6}px`,
      below ? "auto" : `${frame.bottom - point.top + 6}px`,
      right ? `${point.right - frame.left + 6}px` : "auto",
    ].join(" ");
    tip.hidden = false;
  });
  host.addEventListener("pointerleave", hide);
  el.style.position = "relative";
  el.append(tip);
  return hide;
}

function tell(model, message) {
  try {
    model.send(message);
  } catch {
    // The kernel has gone, and with it whoever would listen: a field that had the focus says its last word when it is hidden.
  }
}

function focusSoon(find, select = false, frames = 30) {
  // What is to have the focus may be shown a few frames later.
  requestAnimationFrame(() => {
    const found = find();
    if (found?.offsetParent) {
      found.focus();
      if (select) found.select();
    } else if (frames) focusSoon(find, select, frames - 1);
  });
}

function download({ name, type, text }) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const link = Object.assign(document.createElement("a"), { href: url, download: name });
  link.click();
  URL.revokeObjectURL(url);
}

async function liveSwitch({ model, el, signal }) {
  // Live: the picture's output is hidden. After the kernel has gone: the dead controls are hidden, and the picture is there in their place.
  const style = document.createElement("style");
  const own = await model.widget_manager?.get_model?.(model.get("own")).catch(() => undefined);
  const show = () => {
    const live = own?.comm_live !== false;
    style.textContent = live ? `.xk-picture-${model.get("key")}{display:none}` : `.xk-live-${model.get("key")}>*{display:none!important}`;
  };
  show();
  model.on("comm_live_update", show);
  signal?.addEventListener("abort", () => style.remove());
  el.append(style);
}

export default {
  render: (context) => ({ field: textField, clickable, switch: liveSwitch })[context.model.get("kind")](context),
};
