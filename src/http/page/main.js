/** What the address asks for: `#list?…`, `#alerts?…`, `#cases?…`, `#scores?…`, `#case=MN/ID`, `#station=MN`, `#station=MN&day=DATE`. */
function asksFor(hash) {
  const [place, rest] = hash.replace(/^#/, "").split("?"), found = /^(station|case)=([^&]+)(?:&day=(.+))?$/.exec(place);
  if (found) return { place: found[1], of: decodeURIComponent(found[2]), day: found[3] || null };
  return { place: ["alerts", "cases", "scores"].includes(place) ? place : "list", filter: new URLSearchParams(rest || "") };
}
let refreshing = null;
function route() {
  const to = asksFor(location.hash), before = chosen;
  chosen = to.place === "station" ? to.of : null;
  for (const [id, places] of [["list", ["list"]], ["one", ["station"]], ["alerts", ["alerts"]], ["cases", ["cases", "case"]], ["scores", ["scores"]]]) at(id).hidden = !places.includes(to.place);
  for (const link of at("ways").children) link.toggleAttribute("aria-current", link.dataset.place === to.place);
  if (!(chosen && before === chosen)) clearInterval(refreshing);
  if (!chosen) { at("one").replaceChildren(); delete at("one").dataset.mn; delete at("one").dataset.ready; }
  if (chosen && before === chosen && at("one").dataset.mn === chosen) { day(chosen, to.day); return; }
  if (chosen) station(chosen, to.day);
  else if (to.place === "alerts") alerts(to.filter);
  else if (to.place === "cases") cases(to.filter);
  else if (to.place === "scores") scores(to.filter);
  else if (to.place === "case") oneCase(to.of);
  else { takeFilter(to.filter); refusals(); }
}
/** The filter of the list stands in the address, so that what one sees can be sent to somebody. */
function takeFilter(filter) {
  const wanted = { text: filter.get("text") || "", region: filter.get("region") || "", only: filter.get("only") || "all", sort: filter.get("sort") || "mn", down: filter.get("down") === "true", first: Number(filter.get("first")) || 0 };
  if (Object.entries(wanted).every(([name, value]) => asked[name] === value)) return;
  Object.assign(asked, wanted); label(); connect();
}
function listAddress() {
  const said = Object.entries({ text: asked.text, region: asked.region, only: asked.only === "all" ? "" : asked.only, sort: asked.sort === "mn" ? "" : asked.sort, down: asked.down || "", first: asked.first || "" }).filter(([, value]) => value !== "");
  return said.length ? "#list?" + new URLSearchParams(said) : "#";
}
function filtered(change) {
  Object.assign(asked, { first: 0 }, change);
  history.replaceState(null, "", listAddress());
  label(); connect();
}
const columns = [["state", "state"], ["name", "name"], ["tags", null], ["lastData", "heard"], ["clock", "clock"], ["completeness", "completeness"], ["deviations", "deviations"], ["refusedCount", "refused"], ["trouble", "trouble"]];
function label() {
  document.documentElement.lang = zh ? "zh-CN" : "en"; document.title = say("title"); at("home").textContent = say("title"); at("language").textContent = say("language"); at("lost").textContent = say("lost");
  at("ways").replaceChildren(...[["list", "#"], ["alerts", "#alerts"], ["cases", "#cases"], ["scores", "#scores"]].map(([place, to]) => make("a", { href: to, "data-place": place, "aria-current": asksFor(location.hash).place === place ? "" : null }, say("way:" + place))));
  at("pasteTitle").textContent = say("pasteTitle"); at("pasteHint").textContent = say("pasteHint"); at("explain").textContent = say("pasteRead"); at("paste").setAttribute("aria-label", say("pasteTitle"));
  at("text").placeholder = say("search"); at("text").setAttribute("aria-label", say("search")); at("region").setAttribute("aria-label", say("anyRegion")); if (document.activeElement !== at("text")) at("text").value = asked.text;
  at("before").setAttribute("aria-label", say("before")); at("after").setAttribute("aria-label", say("after")); at("refusedTitle").textContent = say("refused");
  const head = ([word, sort], place) => {
    const here = sort && asked.sort === sort, turn = () => filtered({ sort, down: here ? !asked.down : false });
    return make("th", { scope: "col", class: place > 3 && place < 8 ? "num" : null, "aria-sort": here ? (asked.down ? "descending" : "ascending") : null },
      sort ? make("button", { class: "plain", "data-sort": sort, onclick: turn }, say(word), here ? (asked.down ? " ▼" : " ▲") : "") : say(word));
  };
  at("head").replaceChildren(make("tr", {}, ...columns.map(head)));
  at("states").replaceChildren(...["all", "failing", "online", "offline"].map(only => make("button", { "aria-pressed": asked.only === only, onclick: () => filtered({ only }), "data-only": only }, say(only))));
  if (last) show();
}
let typing = null;
at("text").oninput = () => { clearTimeout(typing); typing = setTimeout(() => filtered({ text: at("text").value }), 250); };
at("region").onchange = () => filtered({ region: at("region").value });
at("before").onclick = () => filtered({ first: Math.max(0, asked.first - asked.rows) });
at("after").onclick = () => filtered({ first: asked.first + asked.rows });
at("explain").onclick = explainPaste;
at("language").onclick = () => { zh = !zh; localStorage.setItem("language", zh ? "zh" : "en"); label(); chosen = null; route(); };
addEventListener("hashchange", route);
if (!still) setInterval(() => { if (!at("list").hidden && !document.hidden) refusals(); }, 5000);
{ const first = asksFor(location.hash); if (first.place === "list") takeFilter(first.filter); }
label(); route();
// Names first, so that nothing is shown by its code and then by its name; without them the page goes on.
fetch("/api/words").then(answer => answer.ok ? answer.json() : byCode).then(words => { byCode = words; }, () => {}).finally(() => { connect(); if (asksFor(location.hash).place === "list") refusals(); });
