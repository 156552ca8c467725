// The live page: follows /v1/live, shows one customer. Foreign text only ever becomes text, never markup.
import { Alerts } from "/page/alerts.js";
import { Chart } from "/page/chart.js";
import { Customer } from "/page/customer.js";
import { Cues } from "/page/cues.js";
import { Health } from "/page/health.js";
import { Indicators } from "/page/indicators.js";
import { count, lasting, moment } from "/page/words.js";

const SILENT_MS = 3_000; // pulses come every half second
const RETRY_MS = 1_500;
const ONE_COLUMN = matchMedia("(max-width: 62rem)"); // as in page.css: there the customer lies below the cues

const at = (id) => document.getElementById(id);
const alerts = new Alerts(at("alerts"), at("aloud"));
const health = new Health(alerts);
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
  health.show(state.health);
  amiss(state);
  chart.add(state.points);
}

// What concerns no single part.
function amiss({ notices = [], stalledSeconds, ruleFaults }) {
  const [first = "", ...rest] = notices;
  alerts.set("notices", first, "down", rest);
  alerts.set("stalled", stalledSeconds ? `Events come in, but none has been applied for more than ${lasting(stalledSeconds)}.` : "");
  alerts.set("rules", ruleFaults.length ? "A rule file has faults; the rules before it stay in use." : "", "degraded", ruleFaults);
}

// What went before this page was opened, or while its connection was lost.
function history({ points, cues: before }) {
  chart.add(points);
  for (const { id, cue } of before) cues.add(id, cue);
  if (before.length) look(before.at(-1).cue);
}

function choose(cue) {
  customer.show(cue.customer, cue.channels);
  if (ONE_COLUMN.matches) at("customer").scrollIntoView();
}

function look(cue) {
  if (!customer.id) customer.show(cue.customer, cue.channels); // so that there is somebody to look at
}

function lost() {
  health.lost();
}

function hear(name, take) {
  source.addEventListener(name, (event) => {
    heard = Date.now();
    take(JSON.parse(event.data), event.lastEventId);
  });
}

function open() {
  heard = Date.now();
  source = new EventSource("/v1/live");
  hear("history", history);
  hear("pulse", pulse);
  hear("cue", (cue, id) => { cues.add(id, cue); look(cue); });
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
  if (source.readyState !== EventSource.CLOSED && Date.now() - heard > 4 * SILENT_MS) reopen(); // open but dead
}, 1_000);

open();
