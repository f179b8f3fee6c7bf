let zh = (localStorage.getItem("language") || navigator.language || "zh").startsWith("zh");
const say = (word, ...holes) => holes.reduce((text, hole, n) => text.replace(`{${n}}`, hole), (words[word] || [word, word])[zh ? 0 : 1]);
/** A name of the messages in words, or as it is. */
const named = (group, name) => name && words[`${group}:${name}`] ? say(`${group}:${name}`) : name || "";
/** Names of factors, deviations and reasons by code, as the gateway's tables have them. */
let byCode = { factors: {}, deviations: {}, reasons: {} };
const coded = (group, code) => (byCode[group][code] || [])[zh ? 0 : 1] || code || "";
const deviationName = code => coded("deviations", code), reasonName = code => coded("reasons", code);
/** A factor's name: on the English page the dictionary's; else as the station's readings have it. */
const factorName = (code, name) => (zh ? name || coded("factors", code) : (byCode.factors[code] || [])[1] || name || code) || "";
/** A factor with its code; the code alone if nothing is known of it. */
const factorText = (code, name) => { const known = factorName(code, name); return known && known !== code ? [known, " ", make("span", { class: "soft mono" }, code)] : [make("span", { class: "mono" }, code)]; };
/** JSON whose numbers stay as the station wrote them ("35.20"), where the browser tells what was written. */
const literal = text => JSON.parse(text, (key, value, context) => typeof value === "number" && context && context.source !== undefined ? new Written(context.source) : value);
class Written { constructor(text) { this.text = text } toString() { return this.text } toJSON() { return this.text } }
const at = id => document.getElementById(id);
/** An element; text goes in as text, never as markup. */
function make(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name === "onclick") element.onclick = value; else if (value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.filter(child => child !== null && child !== undefined).map(child => child instanceof Node ? child : String(child)));
  return element;
}
/** A time of Beijing; with its year if that is another than this one. */
const clock = text => text ? text.slice(text.startsWith(String(new Date().getFullYear())) ? 5 : 0, 19).replace("T", " ") : "–";
function span(seconds) {
  const s = Math.round(Math.abs(seconds)), sign = seconds < -0.5 ? "−" : "";
  if (s < 120) return `${sign}${s} s`; if (s < 7200) return `${sign}${Math.round(s / 60)} min`; if (s < 172800) return `${sign}${Math.round(s / 3600)} h`; return `${sign}${Math.round(s / 86400)} d`;
}
/** How far a station's clock (QN) is from ours, the median of its last messages; null if it has not told. */
const offset = row => row.clock_ms === null || row.clock_ms === undefined ? null : Number(row.clock_ms) / 1000;
const offsetText = ahead => ahead === null ? "–" : Math.abs(ahead) < 0.5 ? "0 s" : say(ahead > 0 ? "ahead" : "behindClock", span(Math.abs(ahead)));
const there = day => day.there ?? day.arrived;
function share(complete) {
  const kind = ["minute", "hour", "realtime", "day"].find(kind => complete && complete[kind]), of = kind && complete[kind];
  // What is missing because of the gateway is not the station's.
  const owed = of && Number(of.expected) - Number(of.gateway_down || 0);
  return owed ? { text: `${(Math.floor(1000 * there(of) / owed) / 10).toFixed(1)} %`, title: `${named("kind", kind)} ${of.day}: ${there(of)} / ${owed}`, low: there(of) < 0.9 * owed } : { text: "–", title: "", low: false };
}
const asked = { text: "", region: "", only: "all", sort: "mn", down: false, first: 0, rows: 50 };
let trying = null, source = null, last = null, chosen = null;

/** With ?still the page shows one moment and stays so: for printing, and where a proxy holds back events. */
const still = new URLSearchParams(location.search).has("still");
async function once() {
  const [overview, stations] = await Promise.all([fetch("/api/overview"), fetch("/api/stations?" + new URLSearchParams(asked))]);
  last = { overview: await overview.json(), stations: await stations.json(), heard: performance.now() }; show();
}
function connect() {
  if (still) { once(); return; }
  if (source) source.close();
  source = new EventSource("/api/live?" + new URLSearchParams(asked));
  source.onmessage = event => { at("lost").classList.remove("shown"); last = JSON.parse(event.data); last.heard = performance.now(); show(); };
  // A browser tries again by itself after a lost connection, not after an answer that is no stream (too many viewers, a proxy's 502).
  source.onerror = () => { at("lost").classList.add("shown"); if (source.readyState === EventSource.CLOSED) { clearTimeout(trying); trying = setTimeout(connect, 3000); } };
}
