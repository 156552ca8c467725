// How figures, times and elements are written.
const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat("en", { maximumFractionDigits: 2 });

export const count = (number) => whole.format(number);
export const figure = (number) => (Math.abs(number) >= 1_000 ? whole : short).format(number);

export function moment(ms) {
  if (!ms) return "–";
  return new Date(ms).toISOString().replace("T", " ").slice(0, 19) + " UTC";
}

export const clock = (ms) => new Date(ms).toISOString().slice(11, 19);

export function ago(ms) {
  const seconds = Math.max(ms, 0) / 1_000;
  if (seconds < 90) return `${Math.round(seconds)} s ago`;
  if (seconds < 5_400) return `${Math.round(seconds / 60)} min ago`;
  if (seconds < 172_800) return `${Math.round(seconds / 3_600)} h ago`;
  return `${Math.round(seconds / 86_400)} d ago`;
}

export const plain = (name) => String(name).replaceAll("_", " ");

// An element with text, attributes, listeners and children.
export function element(name, { text, on = {}, ...attributes } = {}, ...children) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  for (const [key, listener] of Object.entries(on)) made.addEventListener(key, listener);
  made.append(...children);
  return made;
}
