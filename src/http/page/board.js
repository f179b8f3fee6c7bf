/** The colour of an alert in its colour and in words. */
const badge = colour => make("span", { class: `colour ${colour || "none"}` }, say("colour:" + (colour || "none")));
const stationLink = one => [make("a", { href: "#station=" + encodeURIComponent(one.mn) }, one.name || one.mn), make("div", { class: "soft mono" }, one.mn)];
/** The address with one thing of its filter changed. */
function refined(place, filter, name, value) {
  const said = new URLSearchParams(filter);
  if (value) said.set(name, value); else said.delete(name);
  return `#${place}${String(said) ? "?" + said : ""}`;
}
/** Links that choose one value of a filter; the one that holds is told. */
function choice(place, filter, name, values, show) {
  const holds = filter.get(name) || "";
  return ["", ...values].map(value => make("a", { class: "choice", href: refined(place, filter, name, value), "aria-current": holds === value ? "true" : null }, value ? show(value) : say("all")));
}
const late = (text, now) => text && text < now ? "bad" : null;
/** The board of alerts, by colour and region. */
async function alerts(filter) {
  const here = () => asksFor(location.hash).place === "alerts" && String(asksFor(location.hash).filter) === String(filter), [said, known_cases] = await Promise.all([known("/api/alerts", here), known("/api/cases", here)]), box = at("alerts");
  if (!here()) return;
  if (!said) { box.replaceChildren(make("p", { class: "soft" }, say("later"))); return; }
  if (!said.enabled) { box.replaceChildren(make("p", { class: "soft" }, say("alertsOff"))); box.dataset.ready = "alerts"; return; }
  const regions = [...new Set(said.alerts.map(one => one.region).filter(Boolean))].sort(), colours = said.colours.map(colour => colour.id).reverse(), count = colour => said.alerts.filter(one => one.colour === colour).length;
  const rows = said.alerts.filter(one => (!filter.get("colour") || one.colour === filter.get("colour")) && (!filter.get("region") || one.region === filter.get("region")));
  const caseOf = one => ((known_cases || {}).cases || []).find(of => of.mn === one.mn && (of.alerts || []).includes(one.alert));
  const caseLink = of => of ? make("a", { href: `#case=${encodeURIComponent(of.mn + "/" + of.id)}` }, of.id, make("div", { class: "soft" }, say("case:" + of.state))) : "–";
  const row = one => make("tr", { "data-alert": one.alert }, make("td", {}, badge(one.colour)), make("td", {}, ...stationLink(one)), make("td", {}, one.region || "–"), make("td", {}, ...factorText(one.code)), make("td", {}, make("a", { href: `#station=${encodeURIComponent(one.mn)}&day=${one.since}` }, one.since)), make("td", {}, say("stage:" + one.stage)),
    make("td", { class: late(one.reply_by, said.time) }, clock(one.reply_by)), make("td", { class: late(one.finish_by, said.time) }, clock(one.finish_by)), make("td", { class: "mono soft" }, one.alert), make("td", { class: "mono" }, caseLink(caseOf(one))));
  box.replaceChildren(make("h2", {}, say("way:alerts")), said.placeholder ? make("p", { class: "note warn" }, say("placeholder")) : "",
    make("div", { class: "tiles" }, ...colours.map(colour => make("div", { class: "tile", "data-colour": colour }, badge(colour), make("b", {}, count(colour))))),
    make("nav", { class: "bar", "aria-label": say("colour") }, ...choice("alerts", filter, "colour", colours, colour => say("colour:" + colour))), regions.length > 1 ? make("nav", { class: "bar", "aria-label": say("anyRegion") }, ...choice("alerts", filter, "region", regions, region => region)) : "",
    rows.length ? table(["colour", "station", "region", "factor", "firstDay", "stage", "replyBy", "finishBy", "id", "case"], rows.map(row)) : make("p", { class: "soft" }, say("noAlerts")), said.left_out ? make("p", { class: "soft" }, say("leftOut", said.left_out)) : "");
  box.dataset.ready = "alerts";
}
/** All cases, what is due first at the top. */
async function cases(filter) {
  const here = () => asksFor(location.hash).place === "cases" && String(asksFor(location.hash).filter) === String(filter), said = await known("/api/cases", here), box = at("cases");
  if (!here()) return;
  if (!said) { box.replaceChildren(make("p", { class: "soft" }, say("later"))); return; }
  const states = [...new Map(said.cases.map(one => [one.state, one.state_zh]))], state = filter.get("state"), rows = said.cases.filter(one => !state || one.state === state), name = one => say("case:" + one.state);
  const row = one => make("tr", { "data-case": one.id }, make("td", {}, badge(one.colour)), make("td", { class: "mono" }, make("a", { href: `#case=${encodeURIComponent(one.mn + "/" + one.id)}` }, one.id)), make("td", {}, ...stationLink(one)), make("td", {}, ...factorText(one.code)), make("td", {}, name(one)), make("td", {}, one.next ? say("role:" + one.next) : "–"), make("td", { class: late(one.due, said.time) }, clock(one.due)), make("td", {}, clock(one.opened)), make("td", { class: "num" }, one.returned), make("td", { class: "num" }, one.relapses));
  box.replaceChildren(make("h2", {}, say("way:cases")), make("nav", { class: "bar", "aria-label": say("state") }, ...choice("cases", filter, "state", states.map(([id]) => id), id => say("case:" + id))),
    rows.length ? table(["colour", "id", "station", "factor", "state", "next", "due", "openedAt", "returned", "relapses"], rows.map(row)) : make("p", { class: "soft" }, say("noCases")), said.left_out ? make("p", { class: "soft" }, say("leftOut", said.left_out)) : "");
  box.dataset.ready = "cases";
}
/** A text of the gateway's own: a line in Chinese and one in English. */
const ownText = text => { const [first, second] = text.split("\n"); return zh ? first : second || first; };
/** How sure a clause is, in words. */
const clauseText = rule => [...new Set([zh ? rule.clause.split(" · ")[0] : rule.clause.split(" · ").at(-1), named("certainty", rule.certainty)])].join(zh ? "，" : ", ");
/** The life of a case, step by step. */
async function oneCase(of) {
  const [mn, id] = of.split("/"), here = () => asksFor(location.hash).of === of, one = await known(`/api/case/${encodeURIComponent(mn)}/${encodeURIComponent(id)}`, here), box = at("cases");
  if (!here()) return;
  if (!one) { box.replaceChildren(make("p", { class: "bad" }, say("noCase", id)), make("a", { href: "#cases" }, "‹ " + say("way:cases"))); return; }
  const step = taken => make("li", { "data-step": taken.step }, make("div", {}, `${clock(taken.at)} · ${taken.role ? say("role:" + taken.role) : say("byGateway")} ${taken.author || ""} · `, make("b", {}, say(!taken.role && taken.step === "return" && taken.from === taken.to ? "step:alert" : "step:" + taken.step)), taken.from === taken.to ? "" : ` · ${say("case:" + taken.from)} → ${say("case:" + taken.to)}`),
    taken.text ? make("div", {}, taken.role ? taken.text : ownText(taken.text)) : null, ...(taken.files || []).map(file => make("div", { class: "soft mono" }, `${file.name} · ${file.bytes} B · SHA-256 ${file.sha256}`)), make("div", { class: "soft" }, say("record", taken.offset)));
  box.replaceChildren(make("div", { class: "head" }, make("h2", {}, one.id), badge(one.colour), make("span", {}, say("case:" + one.state)), make("a", { href: "#cases" }, "‹ " + say("way:cases"))),
    make("p", {}, make("a", { href: "#station=" + encodeURIComponent(one.mn) }, one.name || one.mn), ` · ${factorName(one.code)} (${one.code}) · ${say("openedAt")} ${clock(one.opened)} · ${say("due")} ${clock(one.due)} · ${say("next")} ${one.next ? say("role:" + one.next) : "–"}${one.outlet ? ` · ${say("outlet")} ${one.outlet}` : ""}${one.overdue ? ` · ${say("overdue", one.overdue)}` : ""} · ${say("returned")} ${one.returned} · ${say("relapses")} ${one.relapses}`), one.placeholder ? make("p", { class: "note warn" }, say("placeholder")) : "", one.rule.clause ? make("p", { class: "soft" }, `${say("clause")} ${clauseText(one.rule)}`) : "",
    ...(one.alerts || []).map(id => make("p", {}, make("a", { href: `#station=${encodeURIComponent(one.mn)}&day=${id.slice(2, 6)}-${id.slice(6, 8)}-${id.slice(8, 10)}` }, id))),
    one.law ? make("p", { class: "note bad" }, `${say("step:to-law")} ${clock(one.law.since)} ${one.law.number || say("noNumber")}`) : "", make("ol", { class: "life" }, ...one.history.map(step)));
  box.dataset.ready = one.id;
}
