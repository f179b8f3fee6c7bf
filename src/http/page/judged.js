/** Signs and classes of outcomes: a colour alone says nothing to who does not see it. */
const signs = { met: ["✓", "met"], exceeded: ["✗", "over"], "not-judged": ["–", "none"], "left-to-people": ["?", "open"] };
const inWords = explain => explain ? explain[zh ? "zh" : "en"] : "";
/** Asks for JSON; `null`: there is no such thing. While the gateway is busy it is asked again. */
async function known(path, goesOn) {
  for (let again = 0; goesOn(); again += 1) {
    const answer = await fetch(path);
    if (answer.status === 503 && again < 20) { await new Promise(resolve => setTimeout(resolve, 1500)); continue; }
    return answer.ok ? await answer.json() : null;
  }
  return null;
}
/** The limits of the last day by factor. */
function limitsOf(days) {
  const limits = {};
  for (const day of days || []) for (const factor of day.factors) limits[factor.code] = Number(factor.limit.max);
  return limits;
}
/** The remembered days of each factor as a strip, one square a day; a square leads to its day. */
function strips(mn, said, names) {
  const codes = [...new Set(said.days.flatMap(day => [...day.factors, ...day.furnaces].map(one => one.code)))];
  const square = (code, day) => {
    const one = [...day.factors, ...day.furnaces].find(one => one.code === code);
    if (!one) return make("span", { class: "day blank", title: day.day });
    const [sign, kind] = signs[one.outcome] || ["", "none"], text = `${day.day} ${say("outcome:" + one.outcome)}${one.stage === "settled" ? "" : ` (${say("stage:" + one.stage)})`} ${one.exempt ?? one.reported ?? ""}${one.limit ? ` / ${one.limit.max}` : ""}${one.revision ? ` · ${say("revised", one.revision)}` : ""}`;
    return make("a", { class: `day ${kind}${one.stage === "settled" ? "" : " early"}`, href: `#station=${encodeURIComponent(mn)}&day=${day.day}`, title: text, "aria-label": text }, sign, one.revision ? make("sup", {}, one.revision) : null);
  };
  const head = make("tr", { class: "dates" }, make("td", {}), make("td", { class: "strip" }, ...said.days.map((day, n) => make("span", { class: "date" }, n % 7 === 0 ? day.day.slice(5) : ""))));
  const latest = code => said.days.flatMap(day => day.factors).filter(one => one.code === code).at(-1);
  const row = code => {
    const one = latest(code);
    return make("tr", { "data-strip": code }, make("th", { scope: "row" }, ...factorText(code, names[code]), one ? make("div", { class: "soft" }, `${say("limit")} ${one.limit.max}`) : null), make("td", { class: "strip" }, ...said.days.map(day => square(code, day))));
  };
  return make("div", { class: "wide", tabindex: 0 }, make("table", {}, make("tbody", {}, head, ...codes.map(row))));
}
/** The hours of a day as bars by what they are worth, the limit, and the mean of the day as it went on. */
function hoursOf(one) {
  const values = one.hours.map(([value]) => value === null ? null : Number(value)), course = one.course.map(mean => mean === null ? null : Number(mean)), limit = Number(one.limit.max);
  const high = 1.1 * Math.max(limit, ...values.filter(value => value !== null), ...course.filter(mean => mean !== null)), y = value => 120 - 110 * Math.max(0, value) / (high || 1);
  const bar = (value, hour) => {
    const worth = one.hours[hour][1] || "none", x = 12.5 * hour + 1;
    const title = draw("title", {}, `${String(hour).padStart(2, "0")}:00 ${value ?? "–"} ${say("worth:" + worth)}`);
    return value === null ? null : draw("rect", { class: `hour ${worth}`, x, y: y(value).toFixed(1), width: 10.5, height: (120 - y(value)).toFixed(1) }, title);
  };
  const mean = course.map((mean, hour) => mean === null ? null : `${(12.5 * hour + 6).toFixed(1)},${y(mean).toFixed(1)}`).filter(Boolean);
  const rows = one.hours.map(([value, worth], hour) => make("tr", {}, make("td", {}, `${String(hour).padStart(2, "0")}:00`), make("td", { class: "num" }, value ?? "–"), make("td", {}, say("worth:" + (worth || "none"))), make("td", { class: "num" }, one.course[hour] ?? "–")));
  return make("div", {}, make("div", { class: "axis" }, make("span", {}, high.toPrecision(3)), make("span", {}, `${say("limit")} ${limit}`)), draw("svg", { viewBox: "0 0 300 120", preserveAspectRatio: "none", role: "img", "aria-label": inWords(one.explain), class: "hours" }, ...values.map(bar), draw("line", { class: "limit", x1: 0, x2: 300, y1: y(limit), y2: y(limit) }), mean.length > 1 ? draw("polyline", { points: mean.join(" ") }) : null),
    make("div", { class: "axis" }, ...["00:00", "06:00", "12:00", "18:00", "24:00"].map(time => make("span", {}, time))),
    make("p", { class: "soft legend" }, ...["valid", "conditional", "exempt", "excluded", "invalid"].filter(worth => one.hours.some(hour => hour[1] === worth)).map(worth => make("span", { class: `key ${worth}` }, say("worth:" + worth))), make("span", { class: "key mean" }, say("course")), make("span", { class: "key limit" }, say("limit"))), make("details", {}, make("summary", {}, say("byHour")), table(["time", "value", "worth", "course"], rows)));
}
/** A day: the three values beside the limit, the hours, what people entered. */
async function day(mn, date) {
  const box = at("day");
  if (!box) return;
  for (const link of document.querySelectorAll("a.day")) link.toggleAttribute("aria-current", link.getAttribute("href").endsWith("&day=" + date));
  if (!date) { box.replaceChildren(); delete box.dataset.day; return; }
  const said = await known(`/api/station/${encodeURIComponent(mn)}/day/${date}`, () => chosen === mn && asksFor(location.hash).day === date);
  if (chosen !== mn || asksFor(location.hash).day !== date) return;
  if (!said) { box.replaceChildren(make("p", { class: "soft" }, say("noDay", date))); return; }
  const values = one => make("table", { class: "values" }, make("thead", {}, make("tr", {}, ...["reportedMean", "markedMean", "exemptMean", "limit", "ratio", "outcome"].map(word => make("th", { scope: "col", class: "num" }, say(word))))),
    make("tbody", {}, make("tr", {}, ...[one.reported, one.marked, one.exempt, `${one.limit.max} (${one.limit.clause})`, one.ratio].map(value => make("td", { class: "num" }, value ?? "–")), make("td", { class: { exceeded: "bad", met: "good" }[one.outcome] || "warn" }, `${(signs[one.outcome] || [""])[0]} ${say("outcome:" + one.outcome)}`))));
  box.replaceChildren(make("h2", {}, say("dayOf", said.day)),
    ...said.factors.map(one => make("div", { class: "card", "data-factor": one.code }, make("p", {}, inWords(one.explain), one.revision ? make("span", { class: "soft" }, ` ${say("revised", one.revision)}`) : null), make("div", { class: "wide", tabindex: 0 }, values(one)), hoursOf(one))),
    ...said.furnaces.map(one => make("div", { class: "card" }, inWords(one.explain))),
    said.marks.length ? table(["marks", "object", "since", "to", "why"], said.marks.map(mark => make("tr", {}, make("td", { class: "warn" }, mark.mark), make("td", {}, mark.object), make("td", {}, clock(mark.since)), make("td", {}, clock(mark.until)), make("td", { class: "text" }, inWords(mark.explain))))) : "");
  box.dataset.day = said.day;
}
/** Alerts and days of a station; nothing, if nothing is judged of it. Gives its limits. */
async function judged(mn, box, date, names) {
  const said = await known(`/api/station/${encodeURIComponent(mn)}/days`, () => chosen === mn);
  if (chosen !== mn || !said || !said.days.length) return {};
  const alert = one => make("p", { class: "note" }, badge(one.colour), ` ${one.alert} · ${factorName(one.code)} · ${say("since")} ${one.since} · ${say("stage:" + one.stage)}${one.reply_by ? ` · ${say("replyBy")} ${clock(one.reply_by)} · ${say("finishBy")} ${clock(one.finish_by)}` : ""}`);
  const ofCase = one => make("p", {}, badge(one.colour), " ", make("a", { href: `#case=${encodeURIComponent(one.mn + "/" + one.id)}` }, one.id), ` · ${factorName(one.code)} · ${say("case:" + one.state)}${one.due ? ` · ${say("due")} ${clock(one.due)}` : ""}`);
  box.replaceChildren(make("h2", {}, say("judgement")), ...said.alerts.map(alert), ...(said.cases || []).map(ofCase), strips(mn, said, names), make("p", { class: "soft legend" }, ...Object.entries(signs).map(([outcome, [sign, kind]]) => make("span", {}, make("span", { class: `day ${kind}` }, sign), ` ${say("outcome:" + outcome)}`)), make("span", {}, make("span", { class: "day early none" }, "–"), ` ${say("stage:provisional")}`)), make("div", { id: "day" }));
  box.dataset.ready = mn;
  await day(mn, date);
  return limitsOf(said.days);
}
