// How worker, Redis and Kafka are, each apart, and whether this page itself is connected.
import { element } from "/page/words.js";

const PARTS = {
  worker: ["Worker", "reads the events from Kafka and keeps each customer's state"],
  redis: ["Redis", "holds each customer's state, and the cues"],
  kafka: ["Kafka", "holds the events, in order"],
};
const PAGE = ["Page", "This browser's connection to the engine"];
const WORDS = { ok: "ok", degraded: "degraded", down: "down", unknown: "unknown" };
const UNHEARD = { state: "unknown", reason: "" };

export class Health {
  constructor(alerts) {
    this.alerts = alerts;
    this.parts = {};
    this.connected = null; // not yet
    this.lights = new Map([...Object.entries(PARTS), ["page", PAGE]].map(([name, [label]]) => [name, light(name, label)]));
    document.getElementById("health").replaceChildren(...this.lights.values());
    document.addEventListener("click", (event) => this.close(event.target));
    document.addEventListener("keydown", (event) => { if (event.key === "Escape") this.close(document.body); });
    this.draw();
  }

  // What a pulse says; an engine that says nothing of its parts leaves them unknown.
  show(parts = {}) {
    this.parts = parts;
    this.connected = true;
    this.draw();
  }

  lost() {
    this.connected = false;
    this.draw();
  }

  draw() {
    for (const [name, [label, does]] of Object.entries(PARTS)) this.part(name, label, does);
    const words = this.connected === null ? "connecting" : this.connected ? "connected" : "reconnecting";
    const about = this.connected === false ? "The connection is lost; it tries again by itself" : PAGE[1];
    paint(this.lights.get("page"), this.connected ? "ok" : this.connected === null ? "unknown" : "down", words, about);
    this.alerts.set("page", this.connected === false
      ? "Page: reconnecting. The connection to the engine is lost; what you see is no longer live." : "");
    this.whole();
  }

  part(name, label, does) {
    const { state, reason } = this.connected ? this.parts[name] ?? UNHEARD : UNHEARD;
    const known = state in WORDS ? state : "unknown";
    paint(this.lights.get(name), known, WORDS[known], sentence(reason) || `It ${does}`);
    const amiss = known === "down" || known === "degraded";
    this.alerts.set(name, amiss ? `${label} ${WORDS[known]}: ${reason || "no reason is known"}.` : "", known);
  }

  // Live is what is as it should be from end to end.
  whole() {
    const states = Object.keys(PARTS).map((name) => this.parts[name]?.state ?? "unknown");
    const worst = ["down", "degraded", "unknown"].find((state) => states.includes(state));
    const words = { down: "not live", degraded: "live, degraded", unknown: "checking" };
    const word = this.connected === false ? "reconnecting" : !this.connected ? "connecting" : worst ? words[worst] : "live";
    const shown = document.getElementById("live");
    if (shown.textContent !== word) shown.textContent = word;
    document.title = `Cueline ${word}`;
  }

  // Only the explanation that was asked for stays open.
  close(target) {
    for (const shown of this.lights.values()) {
      const details = shown.firstElementChild;
      if (details.open && !details.contains(target)) details.open = false;
    }
  }
}

function light(name, label) {
  const id = name === "page" ? "stream-status" : `health-${name}`;
  return element("li", {},
    element("details", { class: "light", "data-state": "unknown" },
      element("summary", {}, element("span", { class: "part", text: label }), " ", element("span", { class: "word", "data-testid": id, text: "unknown" })),
      element("p", { "data-testid": `${id}-about` })));
}

function paint(item, state, word, about) {
  const details = item.firstElementChild, shown = item.querySelector(".word"), text = item.querySelector("p");
  if (details.dataset.state !== state) details.dataset.state = state;
  if (shown.textContent !== word) shown.textContent = word;
  if (text.textContent !== about) text.textContent = details.firstElementChild.title = about;
}

const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1);
