// One customer: the row in words, and what would be offered now with the reason (looked at, not given).
import { ago, clock, element, figure, plain, reading } from "/page/words.js";

const AGAIN_MS = 2_000;
const OFFERS = 4;
const at = (id) => document.getElementById(id);

export class Customer {
  constructor() {
    this.id = null;
    this.channel = "agent";
    this.channels = new Set(["agent", "web"]);
    at("ask").addEventListener("submit", (event) => {
      event.preventDefault();
      const id = at("customer-input").value.trim();
      if (id) this.show(id);
    });
    setInterval(() => { if (this.id && !document.hidden) this.refresh(); }, AGAIN_MS);
  }

  show(id, channels = []) {
    channels.forEach((name) => this.channels.add(name));
    if (channels.length && !channels.includes(this.channel)) this.channel = channels[0]; // where the cue is for
    this.id = id;
    at("customer-input").value = id;
    this.refresh();
  }

  async refresh() {
    const { id, channel } = this;
    try {
      const [known, answer] = await Promise.all([
        asked(`/v1/customers/${encodeURIComponent(id)}`),
        asked("/v1/decisions", { customerId: id, channel, limit: OFFERS, peek: true, explain: true }),
      ]);
      if (id !== this.id || channel !== this.channel) return; // somebody else was chosen meanwhile
      this.shown = id;
      this.at = Date.now();
      this.visible(true);
      this.row(known);
      this.pick();
      this.offers(answer);
    } catch (error) {
      if (id === this.id) this.failed(id, error);
    }
  }

  // What is shown stays while the engine cannot answer, and says how old it is.
  failed(id, { message, passing = true }) {
    const kept = passing && this.shown === id;
    this.visible(kept);
    if (kept) {
      at("stale").hidden = false;
      at("stale").textContent = `As of ${clock(this.at)}, not renewed since: ${message}`;
    } else {
      this.shown = null;
      at("no-customer").textContent = `${id}: ${message}`;
    }
  }

  visible(known) {
    at("known").hidden = !known;
    at("no-customer").hidden = known;
    at("stale").hidden = true;
  }

  row(known) {
    at("customer-id").textContent = known.customerId;
    at("customer-facts").textContent = `last seen ${ago(known.asOf - known.lastAt)}, first ${ago(known.asOf - known.firstAt)}`;
    this.identities(known);
    const consents = known.consent.map((one) => element("li", { class: "tag calm", "data-testid": "consent-item",
      text: `${plain(one.purpose)} by ${one.channel}: ${one.state}` }));
    at("active").replaceChildren(...(known.indicators.length
      ? known.indicators.map((one) => element("li", { class: "tag", text: plain(one.name), title: one.description }))
      : [element("li", { class: "tag calm", text: "no active indicator" })]), ...consents);
    const features = Object.entries(known.features).filter(([name, one]) => one.value && !name.startsWith("now."));
    at("features").replaceChildren(...features.map(([name, one]) => feature(name, one)));
    at("timeline").replaceChildren(...known.timeline.slice(0, 12).map((one) => happening(one, known.asOf)));
  }

  // All ids of this customer but the one that was asked for; how each came is on its title.
  identities({ customerId, identities: { customerId: whose, ids, links } }) {
    const others = [whose, ...ids].filter((id) => id !== customerId);
    at("identities").hidden = !others.length;
    at("identities").textContent = `also known as ${others.join(", ")}`;
    at("identities").title = links.map((one) => `${one.id}: ${plain(one.cause)} (${one.trust}), ${one.state}`).join("\n");
  }

  pick() {
    const drawn = [...this.channels, this.channel].join();
    if (drawn === this.drawn) return; // keeps the focus where it is
    this.drawn = drawn;
    at("channels").replaceChildren(...[...this.channels].map((name) => element("button", {
      type: "button", text: name, "aria-pressed": String(name === this.channel), "data-testid": `channel-${name}`,
      on: { click: () => { this.channel = name; this.pick(); this.refresh(); } },
    })));
  }

  offers(answer) {
    const why = answer.fallback ? "no decision could be made, this is the fallback" : "";
    const none = element("li", { class: "none", text: `Nothing to offer on the channel ${this.channel} now${why && `: ${why}`}.` });
    at("offers").replaceChildren(...(answer.offers.length ? answer.offers.map(offer) : [none]));
    at("others").hidden = !answer.suppressed.length;
    at("suppressed").replaceChildren(...answer.suppressed.map((one) => element("li", { "data-testid": "suppressed-item" },
      element("b", { text: plain(one.offerId || "all offers") }), ` ${plain(one.stage)}: ${one.detail || plain(one.code)}`)));
  }
}

function offer(one) {
  const factors = `${figure(one.propensity * 100)} % × value ${figure(one.value)}` + (one.lever === 1 ? "" : ` × ${figure(one.lever)}`);
  return element("li", { "data-testid": "offer-item" },
    element("p", { class: "name" },
      element("span", { text: `${one.rank}. ${plain(one.offerId)}` }),
      element("span", { class: "tag calm", text: plain(one.kind) }),
      element("span", { class: "score", text: factors, title: `priority ${figure(one.priority)} = propensity × value × weights` })),
    element("p", { class: "say", text: one.say }),
    element("ul", { class: "why", "data-testid": "offer-why" }, ...one.why.map((text) => element("li", { text }))));
}

function feature(name, { value, unit, meaning }) {
  const [figures, after] = reading(value, unit);
  return element("tr", { title: meaning },
    element("th", { scope: "row", text: name }),
    element("td", {}, figures, element("i", { text: after })));
}

function happening(one, now) {
  const whole = [one.category, one.item].filter(Boolean).join(", ");
  const about = [plain(one.category.split(".").at(-1)), one.item, one.value ? reading(one.value, "currency")[0] : ""].filter(Boolean).join(", ");
  return element("li", {}, element("b", { text: plain(one.kind) }), element("span", { text: about, title: whole }), element("time", { text: ago(now - one.at) }));
}

// JSON from the engine; a problem document becomes an error with its words; it passes when the
// fault is the engine's.
async function asked(path, question) {
  const how = question ? { method: "POST", body: JSON.stringify(question), headers: { "content-type": "application/json" } } : {};
  const answer = await fetch(path, { cache: "no-store", ...how });
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok) throw Object.assign(new Error(body.detail || `the engine answered ${answer.status}`), { passing: answer.status >= 500 });
  return body;
}
