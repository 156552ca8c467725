// The indicators as they activate: how often each did, and which of them just now.
import { count, element, plain } from "/page/words.js";

const SHOWN = 8;
const PREFIX = "risen.";

export class Indicators {
  constructor() {
    this.list = document.getElementById("indicators");
    this.before = new Map();
  }

  // Take the tallies of a pulse; the counts are those of the whole deployment since it began.
  show(tallies) {
    const counts = new Map(Object.entries(tallies).filter(([name]) => name.startsWith(PREFIX)));
    const most = [...counts].sort((a, b) => b[1] - a[1]).slice(0, SHOWN);
    document.getElementById("no-indicators").hidden = counts.size > 0;
    this.list.replaceChildren(...most.map(([name, number]) => this.item(name, number, number / most[0][1])));
    this.before = counts;
  }

  item(name, number, share) {
    const bar = element("span", { class: "bar" });
    bar.style.width = `${100 * share}%`;
    const grown = this.before.size && number > (this.before.get(name) ?? 0);
    return element("li", { "data-testid": "indicator", "data-grown": String(Boolean(grown)) },
      element("span", { text: plain(name.slice(PREFIX.length)) }), element("span", {}, bar), element("span", { class: "count", text: count(number) }));
  }
}
