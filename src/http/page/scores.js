/** A value of a scorecard with the pairs that it was computed of. */
const scoreCell = (one, measure) => { const own = one.measures[measure.id] || { parts: [] }; return make("td", { class: "num" }, own.value === null || own.value === undefined ? "–" : own.value, make("div", { class: "soft" }, own.parts.map(part => `${part.num}/${part.den}`).join(" × "))); };
/** The scorecards of a month as a table that sorts; what one sees stands in the address. */
async function scores(filter) {
  const here = () => asksFor(location.hash).place === "scores" && String(asksFor(location.hash).filter) === String(filter), month = filter.get("month");
  const said = await known("/api/scores" + (month ? "?month=" + encodeURIComponent(month) : ""), here), box = at("scores");
  if (!here()) return;
  if (!said) { box.replaceChildren(make("p", { class: "soft" }, say("later"))); return; }
  if (!said.enabled) { box.replaceChildren(make("p", { class: "soft" }, say("scoresOff"))); box.dataset.ready = "scores"; return; }
  const sort = filter.get("sort") || "mn", down = filter.get("down") === "true", name = measure => `${zh ? measure.zh : measure.en} (${measure.unit})`, grade = one => one.grade ? (zh ? one.grade.zh : one.grade.en) : "–";
  const distinct = key => [...new Set(said.stations.map(one => one[key]).filter(Boolean))].sort(), keys = ["operator", "county", "city"], rows = said.stations.filter(one => keys.every(key => !filter.get(key) || one[key] === filter.get(key)));
  const worth = one => { const own = one.measures[sort]; return own ? (own.value === null ? null : Number(own.value)) : sort === "grade" ? grade(one) : one[sort] || ""; };
  const order = (one, other) => { const [a, b] = [worth(one), worth(other)]; if (a === null || b === null) return (a === null) - (b === null); const turn = a < b ? -1 : a > b ? 1 : 0; return down ? -turn : turn; };
  const turned = key => { const to = new URLSearchParams(filter); to.set("sort", key); if (sort === key && !down) to.set("down", "true"); else to.delete("down"); return "#scores?" + to; };
  const head = (key, word, number) => make("th", { scope: "col", class: number ? "num" : null, "aria-sort": sort === key ? (down ? "descending" : "ascending") : null }, make("a", { href: turned(key), "data-sort": key }, word, sort === key ? (down ? " ▼" : " ▲") : ""));
  const plain = (word, number) => make("th", { scope: "col", class: number ? "num" : null }, word), wide = (heads, lines) => make("div", { class: "wide", tabindex: 0 }, make("table", {}, make("thead", {}, make("tr", {}, ...heads)), make("tbody", {}, ...lines)));
  const values = one => said.measures.map(measure => scoreCell(one, measure)), row = one => make("tr", { "data-score": one.mn }, make("td", {}, ...stationLink(one)), make("td", { class: "mono" }, one.operator || "–"), make("td", {}, grade(one)), make("td", {}, say("stage:" + one.stage), one.revision ? ` (${one.revision})` : ""), ...values(one));
  const company = one => make("tr", { "data-company": one.operator }, make("td", { class: "mono" }, make("a", { href: refined("scores", filter, "operator", one.operator) }, one.operator)), make("td", { class: "num" }, one.stations), make("td", {}, grade(one)), ...values(one));
  const bars = keys.map(key => [key, distinct(key)]).filter(([, all]) => all.length > 1).map(([key, all]) => make("nav", { class: "bar", "aria-label": say(key) }, ...choice("scores", filter, key, all, one => one)));
  const months = make("nav", { class: "bar", "aria-label": say("month") }, ...said.months.map(one => make("a", { class: "choice", href: refined("scores", filter, "month", one), "aria-current": said.month === one ? "true" : null }, one)));
  const whole = keys.some(key => filter.get(key)) ? [] : [make("h3", {}, say("sumOf")), wide([plain(say("stationsCount"), true), ...said.measures.map(measure => plain(name(measure), true))], [make("tr", { "data-sum": "" }, make("td", { class: "num" }, said.sum.stations), ...values(said.sum))])];
  box.replaceChildren(make("h2", {}, `${say("way:scores")} ${said.month}`), months, said.placeholder ? make("p", { class: "note warn" }, say("gradesPlaceholder")) : "", make("p", { class: "soft" }, say("scoresHint", clock(said.time))), ...bars,
    ...(rows.length ? [make("h3", {}, say("ofStations")), wide([head("mn", say("station")), head("operator", say("operator")), head("grade", say("grade")), head("stage", say("stage")), ...said.measures.map(measure => head(measure.id, name(measure), true))], [...rows].sort(order).map(row))] : [make("p", { class: "soft" }, say("noScores"))]),
    ...(said.operators.length ? [make("h3", {}, say("ofCompanies")), wide([plain(say("operator")), plain(say("stationsCount"), true), plain(say("grade")), ...said.measures.map(measure => plain(name(measure), true))], said.operators.map(company))] : []), ...(rows.length ? whole : []), said.left_out ? make("p", { class: "soft" }, say("leftOut", said.left_out)) : "");
  box.dataset.ready = "scores";
}
