// The live page: follows /v1/live, shows one customer. Foreign text only ever becomes text, never markup.
import { Chart } from "/page/chart.js";
import { Customer } from "/page/customer.js";
import { Cues } from "/page/cues.js";
import { Indicators } from "/page/indicators.js";
import { count, element, moment } from "/page/words.js";

const SILENT_MS = 4_000; // pulses come every half second
const RETRY_MS = 1_500;
const ONE_COLUMN = matchMedia("(max-width: 62rem)"); // as in page.css: there the customer lies below the cues

const at = (id) => document.getElementById(id);
const chart = new Chart(at("chart"));
const customer = new Customer();
const cues = new Cues(choose);
const indicators = new Indicators();
const speeds = [];
let source = null;
let heard = 0;

function pulse(state) {
  speeds.push(state.eventsPerSecond);
  if (speeds.length > 4) speeds.shift();
  const speed = speeds.reduce((sum, one) => sum + one, 0) / speeds.length;
  at("events-per-second").textContent = count(speed);
  at("engine-time").textContent = moment(state.engineNow);
  at("revision").textContent = (state.revision || "none").slice(0, 12);
  const shown = { events: "events", customers: "customers", risen: "risen", cues: "cues", duplicates: "duplicates", deadletters: "deadletters" };
  for (const [id, name] of Object.entries(shown)) at(`${id}-total`).textContent = count(state.tallies[name] ?? 0);
  indicators.show(state.tallies);
  faults(state.ruleFaults);
  at("stalled").hidden = !state.stalledSeconds;
  at("stalled-seconds").textContent = count(state.stalledSeconds);
  chart.add(state.eventsPerSecond, cues.since());
}

function choose(cue) {
  customer.show(cue.customer, cue.channels);
  if (ONE_COLUMN.matches) at("customer").scrollIntoView();
}

function cue(one) {
  cues.add(one);
  if (!customer.id) customer.show(one.customer, one.channels); // so that there is somebody to look at
}

function alive() {
  heard = Date.now();
  at("banner").hidden = true;
  status("live");
}

// Rule files that do not compile are the operator's to mend; the rules before stay in use.
function faults(lines) {
  const box = at("rule-faults");
  if (box.dataset.shown === lines.join("\n")) return;
  box.dataset.shown = lines.join("\n");
  box.hidden = !lines.length;
  at("rule-fault-list").replaceChildren(...lines.map((line) => element("li", { text: line })));
}

function lost() {
  const banner = at("banner");
  const text = "The stream is lost. What you see is no longer live; trying again by itself.";
  if (banner.hidden) banner.replaceChildren(element("span", { text }));
  banner.hidden = false;
  status("lost");
}

function status(state) {
  const shown = at("status");
  if (shown.dataset.state === state) return;
  shown.dataset.state = state;
  shown.textContent = state;
}

function open() {
  heard = Date.now();
  source = new EventSource("/v1/live");
  source.addEventListener("pulse", (event) => { alive(); pulse(JSON.parse(event.data)); });
  source.addEventListener("cue", (event) => { alive(); cue(JSON.parse(event.data)); });
  source.addEventListener("error", () => {
    lost();
    if (source.readyState === EventSource.CLOSED) setTimeout(reopen, RETRY_MS); // refused: the browser gives up
  });
}

async function reopen() {
  source.close();
  try {
    await fetch("/", { cache: "no-store" }); // a new engine has a new key, which comes with the page
    open();
  } catch {
    setTimeout(reopen, RETRY_MS);
  }
}

setInterval(() => {
  if (Date.now() - heard <= SILENT_MS) return;
  lost();
  if (source.readyState !== EventSource.CLOSED && Date.now() - heard > 3 * SILENT_MS) reopen(); // open but dead
}, 1_000);

open();
