const shownValue = r => { for (const key of ["rtd", "avg", "rs", "rt", "info", "data", "cou", "max"]) if (r[key] !== undefined) return r[key] === null ? (r.text || {})[key] ?? "–" : r[key]; return "–"; };
function readings(body) {
  return make("table", {}, make("thead", {}, make("tr", {}, ...["factor", "value", "unit", "flag", "marks"].map(w => make("th", { scope: "col" }, say(w))))), make("tbody", {},
    ...Object.entries(body.readings || {}).map(([code, r]) => make("tr", {}, make("td", {}, ...factorText(code, r.name)), make("td", {}, shownValue(r)), make("td", {}, r.unit || ""),
      make("td", { class: r.flag && r.flag !== "N" ? "warn" : null }, r.flag || ""), make("td", {}, (r.marks || []).join(" "))))));
}
/** Names the cells of a row by the heads of their columns: on a narrow page each stands beside its cell. */
function labelled(heads, row) {
  [...row.children].forEach((cell, place) => { if (heads[place]) cell.dataset.label = say(heads[place]); });
  return row;
}
function table(heads, lines) {
  if (heads) lines.forEach(line => labelled(heads, line));
  return make("div", { class: "wide", tabindex: 0 }, make("table", { class: heads ? "cards" : null }, heads ? make("thead", {}, make("tr", {}, ...heads.map(w => make("th", { scope: "col" }, say(w))))) : null, make("tbody", {}, ...lines)));
}
/** A mark that holds, as it is published: since when, by which rule, what the rule saw. */
function markRow(body) {
  const m = body.mark, by = m.rule ? `${m.rule.id} v${m.rule.version}` : m.entry ? `${say("entered")} ${m.entry.author}` : "";
  return make("tr", { "data-mark": m.mark }, make("td", { class: "warn" }, m.mark), make("td", {}, m.object), make("td", {}, clock(m.since)), make("td", { class: "mono" }, by, m.rule ? make("div", { class: "soft" }, m.rule.when) : null),
    make("td", {}, say(m.standing)), make("td", { class: "text" }, body.explain ? body.explain[zh ? "zh" : "en"] : m.clause));
}
/** Gaps, requests, keys and clock of a station. */
function underWay(u) {
  if (!u) return [];
  const soft = text => make("p", { class: "soft" }, text), more = n => Number(n) ? [soft(say("leftOut", n))] : [];
  const causes = g => { const several = Object.entries(g.causes).filter(([, n]) => Number(n)); return several.length > 1 ? several.map(([c, n]) => `${named("cause", c)} ${n}`).join(", ") : named("cause", g.cause); };
  const gapRow = g => make("tr", { "data-gap": g.kind }, make("td", {}, named("kind", g.kind)), make("td", {}, clock(g.from)), make("td", {}, clock(g.to)), make("td", { class: "num" }, `${g.missing} / ${g.count}`), make("td", { class: g.cause === "gateway-down" ? null : "warn" }, causes(g)),
    make("td", {}, say(g.growing ? "gapGrowing" : "gapOpen")), make("td", { class: "num" }, g.attempts), make("td", {}, g.marks.map(m => `${m.mark}@${m.object}`).join(" ")));
  const requestRow = r => make("tr", { "data-request": r.id }, make("td", { class: "mono" }, r.id), make("td", {}, `${r.cn} ${r.command}`), make("td", {}, say("request:" + r.state, r.packets)), make("td", {}, `${named("origin", r.origin)} ${r.author}`), make("td", {}, clock(r.queued_at)), make("td", {}, r.sent_at ? `${clock(r.sent_at)} (${r.count})` : ""), make("td", {}, clock(r.expires)));
  const age = created => { const at = Date.parse(`${created.slice(0, 4)}-${created.slice(4, 6)}-${created.slice(6, 8)}T00:00:00+08:00`); return Number.isFinite(at) ? say("days", Math.max(0, Math.floor((Date.now() - at) / 86400000))) : ""; };
  const keyRow = k => make("tr", { "data-key": k.created }, make("td", { class: "mono" }, k.created), make("td", {}, age(k.created)), make("td", { class: k.state === "proven" ? null : "warn" }, named("key", k.state)));
  const c = u.clock, said = c.at ? say("clockSaid", clock(c.at), `${(Number(c.offset_ms) / 1000).toFixed(1)} s (${say(c.within ? "clockRight" : "clockWrong")})`) : "", set = c.set_at ? say("clockSet", clock(c.set_at), say(c.set_done ? "done" : "undone")) : "";
  return [said || set ? soft([said, set].filter(Boolean).join(" · ")) : null,
    ...(u.requests.length ? [make("h2", {}, say("requests")), table(["id", "command", "state", "origin", "queuedAt", "sentAt", "expires"], u.requests.map(requestRow)), ...more(u.requests_left_out)] : []),
    ...(u.gaps.length ? [make("h2", {}, say("gaps")), table(["kind", "from", "to", "missing", "cause", "state", "asked", "marks"], u.gaps.map(gapRow)), ...more(u.gaps_left_out)] : []),
    Number(u.given_up.records) ? soft(say("givenUp", u.given_up.stretches, u.given_up.records)) : null,
    ...(u.keys.length ? [make("h2", {}, say("keys")), u.key_proven ? null : make("p", { class: "warn" }, say("noProven")), table(["created", "keyAge", "state"], u.keys.map(keyRow))] : [])];
}
/** A value of a message in words: times as people read them, words of the messages by their names. */
function plain(value) {
  if (value === true || value === false) return say(value ? "yes" : "no");
  if (Array.isArray(value)) return value.map(plain).filter(Boolean).join(zh ? "、" : ", ");
  if (value !== null && typeof value === "object" && !(value instanceof Written)) return Object.entries(value).filter(([, own]) => own !== null).map(([key, own]) => `${named("key", key)} ${plain(own)}`).join(" ");
  const text = String(value ?? "");
  return /^20\d\d-\d\d-\d\dT/.test(text) ? clock(text) : named("value", text);
}
/** What is missing of a gap, why, and how it ended. */
function gapText(e) {
  const lost = say("gapSays", named("kind", e.data_kind), clock(e.from), clock(e.to), e.count, named("cause", e.cause));
  if (e.kind === "gap") return e.growing === true ? `${lost}${zh ? "，" : ", "}${say("gapGrowing")}` : lost;
  return `${lost}${zh ? "；" : "; "}${say("gapEnded", named("gapEnd", e.reason), e.came, e.recalled, e.missing)}`;
}
/** What an event says: in words where it has some, else by its members. */
function eventText(e) {
  if (e.kind === "gap" || e.kind === "gap-closed") return gapText(e);
  if (e.explain) return inWords(e.explain);
  const d = e.detail || {};
  if (d.zh || d.en) return inWords(d);
  const who = [e.on && e.on.peer, e.was && `← ${e.was.peer}`, e.mark && `${e.mark.mark} ${e.mark.object}`].filter(Boolean);
  return [...who, ...Object.entries(d).filter(([, value]) => value !== null).slice(0, 8).map(([name, value]) => `${named("key", name)}${zh ? "：" : ": "}${plain(value)}`)].join(" · ");
}
const latestTime = (one, other) => String(one.time) < String(other.time) ? 1 : String(one.time) > String(other.time) ? -1 : 0;
const latestFirst = bodies => bodies.filter(Boolean).sort((a, b) => a.received_at < b.received_at ? 1 : -1);
/** What is published of a station, refreshed while one looks. */
function nowOf(s) {
  const newest = latestFirst(Object.values(s.latest)), refusals = troubles(s);
  const why = s.refusal_said;
  return [make("p", {}, ...refusals),
    why ? make("div", { class: "note", id: "why" }, make("span", { class: "bad" }, `${clock(why.received_at)} ${say("refusedCount")}: `), why.explain ? inWords(why.explain) : reasonName(why.reason), ` (${why.reason}) `, make("span", {}, (why.detail || []).map(deviationName).join(" ")), make("div", { class: "mono soft" }, why.text || why.hex || "")) : null,
    make("p", { class: "soft" }, `${say("clock")}: ${offsetText(offset(s))} · ${say("lastSeen")}: ${clock([s.last_seen, newest[0] && newest[0].received_at].filter(Boolean).sort().at(-1))} · ${say("refusedCount")}: ${s.refused}`),
    ...((s.refusals || []).length ? [make("h2", {}, say("refused")), table(["time", "reason", "detail"], s.refusals.map(r => make("tr", { "data-refused": r.reason }, make("td", {}, clock(r.received_at)), make("td", {}, `${r.explain ? inWords(r.explain) : reasonName(r.reason)} (${r.reason}) ${(r.detail || []).map(deviationName).join(" ")}`), make("td", { class: "mono text soft" }, r.text || r.hex || ""))))] : []),
    ...underWay(s.under_way),
    make("h2", {}, say("marks")), s.marks.length ? table(["marks", "object", "since", "rule", "standing", "why"], s.marks.map(markRow)) : make("p", { class: "soft" }, say("none")),
    ...newest.filter(body => Object.keys(body.readings || {}).length).slice(0, 3).flatMap(body => [make("h2", {}, `${say("readings")} · ${named("kind", body.kind)} · ${clock(body.data_time)}`), make("div", { class: "wide" }, readings(body))]),
    ...(s.completeness.length ? [make("h2", {}, say("completeness")), table(["kind", "day", "expected", "arrived", "gatewayDown", "completeness"], s.completeness.flatMap(c => c.days.slice(-7).reverse().map(d =>
      make("tr", {}, make("td", {}, named("kind", c.kind)), make("td", {}, d.day), make("td", { class: "num" }, d.expected), make("td", { class: "num" }, there(d)), make("td", { class: "num" }, d.gateway_down || 0), make("td", { class: "num" }, share({ minute: d }).text)))))] : []),
    make("h2", {}, say("events")), s.events.length ? table(null, [...s.events].sort(latestTime).map(e => make("tr", {}, make("td", {}, clock(e.time)), make("td", {}, named("event", e.kind)), make("td", { class: "text" }, eventText(e))))) : make("p", { class: "soft" }, say("none"))];
}
function frame(f) {
  return make("details", { class: f.reason ? "refused" : null },
    make("summary", {}, `${clock(f.time)} · `, make("span", { class: f.reason ? "bad" : null }, f.reason ? `${say("refusedCount")}: ${zh ? f.reason_zh : f.reason_en} (${f.reason})` : `${named("kind", f.kind)} (${f.cn})`), f.sealed ? make("span", { class: f.sealed === "opened" ? "soft" : "warn" }, " · " + say("sealed:" + f.sealed)) : "", f.deviations.length ? make("span", { class: "warn" }, " · " + f.deviations.map(d => zh ? d.zh : d.en).join(zh ? "；" : "; ")) : ""),
    make("p", { class: "mono" }, f.raw), ...f.deviations.map(d => make("div", { class: "warn" }, `${d.code}: ${zh ? d.zh : d.en}`)),
    make("table", {}, make("tbody", {}, ...f.fields.map(x => make("tr", {}, make("td", { class: "mono" }, x.field), make("td", { class: "mono text" }, x.value), make("td", {}, zh ? x.name || "" : factorName((x.field || "").split("-")[0], x.name)), make("td", {}, x.unit || ""))))));
}
