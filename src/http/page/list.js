function tile(label, value, note, kind, id) { return make("div", { class: "tile", "data-tile": id || null }, make("span", {}, label), make("b", { class: kind || null }, value), make("span", {}, note || "\u00a0")); }
/** The last minute of overviews: what frames and the backlog are doing. */
const samples = [], MINUTE = 60000;
/** How much `of` has changed a second, over the last `window` milliseconds; null: too short to say. */
function perSecond(of, window) {
  const now = samples.at(-1), first = now && samples.find(sample => now.heard - sample.heard <= window);
  return first && now.heard - first.heard > 500 ? (now[of] - first[of]) * 1000 / (now.heard - first.heard) : null;
}
/** Records a minute: a small site has less than one a second. While the broker is away what waits is growing, whatever was measured. */
function backlogNote(o) {
  const waiting = o.journal.backlog, away = !o.broker.connected;
  // A few are always on their way.
  if (waiting < 100 && !(away && waiting > 0)) return "";
  const measured = perSecond("backlog", MINUTE), change = measured === null ? null : Math.round(measured * 60), since = o.journal.oldest ? `${say("since")} ${clock(o.journal.oldest)}` : "";
  const rate = away ? (change > 0 ? say("growing", change) : say("growingNow")) : change === null ? "" : change === 0 ? say("steady") : change > 0 ? say("growing", change) : say("shrinking", -change, span(waiting / -measured));
  return [rate, since].filter(Boolean).join(" · ");
}
/** What the client of the broker says most, in Chinese. */
const brokerReasons = [["the broker cannot be reached", "无法连接 MQTT 服务"], ["Connection refused", "连接被拒绝"], ["no answer in time", "未及时应答"], ["no TLS handshake in time", "TLS 握手超时"], ["it does not answer", "无应答"], ["Connection reset by peer", "连接被对方中断"], ["Network is unreachable", "网络不可达"], ["No route to host", "无路由可达"], ["connected, but it takes nothing", "已连接，但不接收消息"], ["not authorized", "无权限"], ["bad user name or password", "用户名或密码错误"]];
/** Why the broker does not take what there is; the commonest reasons in Chinese. */
const brokerWhy = why => zh && why ? brokerReasons.reduce((text, [said, meant]) => text.replace(said, meant), why) : why;
function show() {
  const o = last.overview, c = o.counters, s = o.stations;
  // A gateway that has started anew counts from nought: what went before says nothing of it.
  if (samples.length && c.frames_heard < samples.at(-1).frames) samples.length = 0;
  if (!samples.length || samples.at(-1).heard !== last.heard) samples.push({ heard: last.heard, frames: c.frames_heard, backlog: o.journal.backlog });
  while (samples.length > 2 && last.heard - samples[0].heard > MINUTE) samples.shift();
  const rate = perSecond("frames", o.journal.backlog > 0 ? 10000 : 3000) || 0, behind = o.journal.records - o.journal.interpreted;
  at("behind").textContent = behind > (o.broker.connected ? 2000 : 100) ? say(o.broker.connected ? "catching" : "behind", behind) : "";
  const lost = Math.max(c.journal_lost, c.uplink_lost), harm = o.journal.damage, dead = o.dead_letters;
  at("damage").textContent = harm ? say("damage", lost, c.journal_unreadable, c.journal_breaks) : "";
  at("dead").textContent = dead.count ? say("deadLetters", dead.count, dead.newest ? `${dead.newest.topic} (${dead.newest.why})` : "") : "";
  // A sink at which nothing waits and nothing went wrong needs nobody.
  at("push").replaceChildren(...(o.push || []).filter(p => p.waiting || !p.well).map(pushLine));
  at("push").classList.toggle("marked", (o.push || []).some(p => !p.well));
  at("who").textContent = `${o.gateway} · ${o.version} · ${say("up")} ${span(o.seconds)}`;
  const state = o.journal.health, unanswered = c.frames_unstored;
  at("tiles").replaceChildren(
    tile(say("stations"), `${s.online} / ${s.stations}`, `${say("failing")} ${s.failing} · ${say("never")} ${s.never}`),
    tile(say("frames"), rate.toFixed(rate < 10 ? 1 : 0), `${say("answered")} ${c.frames_answered}`),
    tile(say("journal"), say(state), unanswered ? `${unanswered} ${say("notAnswered")}` : `${o.journal.records} · ${o.journal.commit_ms.toFixed(2)} ms`, state === "good" ? "good" : "bad"),
    tile(say("backlog"), o.journal.backlog, backlogNote(o), o.journal.backlog > 10000 ? "warn" : null, "backlog"),
    tile(say("broker"), say(o.broker.connected ? "connected" : "away"), brokerWhy(o.broker.why) || `${c.mqtt_acknowledged} ${say("published")}`, o.broker.connected ? "good" : "bad", "broker"),
    tile(say("refusedCount"), Object.values(o.rejected).reduce((sum, n) => sum + Number(n), 0), Object.entries(o.rejected).map(([reason, n]) => `${reasonName(reason)} ${n}`).join(" · ")));
  regions(o.regions); rows(last.stations);
  document.body.dataset.rows = last.stations.rows.length;
}
/** A sink of push: what waits, since when, and why. */
function pushLine(p) {
  const lost = [["given_up", "pushGivenUp"], ["dropped", "pushDropped"], ["unstored", "pushUnstored"]].filter(([count]) => p[count]).map(([count, word]) => say(word, p[count]));
  const parts = [p.waiting ? say("pushWaits", p.waiting, clock(p.oldest)) : null, say("pushSent", p.sent), ...lost, p.why, p.disk ? say("pushDisk", p.disk) : null];
  return make("div", { "data-sink": p.name, class: p.why || p.disk ? "warn" : null }, `${say("push")} ${p.name} (${named("sink", p.kind)}): ${parts.filter(Boolean).join(" · ")}`);
}
function regions(all) {
  const names = Object.keys(all), box = at("region");
  if (box.dataset.names === names.join() + zh) return;
  box.dataset.names = names.join() + zh;
  box.replaceChildren(make("option", { value: "" }, say("anyRegion")), ...names.map(name => make("option", { value: name }, `${name} (${all[name]})`)));
  box.value = asked.region;
}
function troubles(row) {
  const found = [];
  if (row.registered && row.contact === "offline") found.push(make("span", { class: "bad" }, say("offlineSince", clock(row.since || row.last_seen))));
  if (row.registered && row.contact === "never") found.push(make("span", { class: "soft" }, say("never")));
  if (row.refusal) found.push(make("span", { class: "bad" }, `${say("refusedCount")}: ${reasonName(row.refusal)}`));
  if (row.now_odd) found.push(make("span", { class: "warn" }, row.now_odd.map(deviationName).join(zh ? "；" : "; ")));
  const marks = Number(row.marks_held);
  if (marks) found.push(make("span", { class: "warn" }, `${say("marks")} ${marks}`));
  const ahead = offset(row);
  if (ahead !== null && Math.abs(ahead) > 600) found.push(make("span", { class: "warn" }, `${say("clock")} ${offsetText(ahead)}`));
  return found.flatMap((part, n) => n ? [" · ", part] : [part]);
}
function presence(row) {
  return make("span", { class: `dot ${{ online: "good", offline: "bad" }[row.contact] || "soft"}` }, say(row.contact));
}
function cells(row) {
  const ahead = offset(row), total = Object.values(row.deviations || {}).reduce((sum, n) => sum + n, 0), complete = share(row.complete);
  return [make("td", {}, presence(row), row.since ? make("div", { class: "soft" }, `${say("since")} ${clock(row.since)}`) : null),
    make("td", {}, make("a", { href: "#station=" + encodeURIComponent(row.mn) }, row.name || row.mn), make("div", { class: "soft mono" }, row.mn)),
    make("td", {}, Object.values(row.tags).join(" · ")), make("td", {}, clock(row.received_at || row.last_seen), make("div", { class: "soft" }, named("kind", row.kind), row.backfill ? " · " + say("backfill") : "")),
    make("td", { class: ahead !== null && Math.abs(ahead) > 600 ? "num warn" : "num" }, offsetText(ahead)), make("td", { class: complete.low ? "num warn" : "num", title: complete.title }, complete.text),
    make("td", { class: "num", title: Object.entries(row.deviations || {}).map(([code, n]) => `${deviationName(code)} ${n}`).join("\n") }, total || "–"), make("td", { class: "num" }, row.refused || "–"), make("td", { class: "text" }, ...troubles(row))];
}
/** Rows stay the same elements while their station stays on the page, so that a click or a selection survives an update; only cells of what has changed are made again. */
const shownRows = new Map();
function rows(page) {
  at("found").textContent = say("found", page.found, Math.min(page.first + 1, page.found), page.first + page.rows.length);
  at("before").disabled = page.first === 0; at("after").disabled = page.first + page.rows.length >= page.found;
  const box = at("rows"), here = new Set();
  page.rows.forEach((row, place) => {
    const text = JSON.stringify(row) + zh;
    let known = shownRows.get(row.mn);
    if (!known) {
      known = { element: make("tr", { class: "row", "data-mn": row.mn, onclick: () => { if (!String(getSelection())) location.hash = "station=" + encodeURIComponent(row.mn); } }), text: "" };
      shownRows.set(row.mn, known);
    }
    if (known.text !== text) { known.element.replaceChildren(...cells(row)); labelled(columns.map(([word]) => word), known.element); known.text = text; }
    if (box.children[place] !== known.element) box.insertBefore(known.element, box.children[place] || null);
    here.add(row.mn);
  });
  for (const [mn, known] of shownRows) if (!here.has(mn)) { known.element.remove(); shownRows.delete(mn); }
}
async function refusals() {
  const list = await (await fetch("/api/rejected")).json();
  at("refusals").replaceChildren(...list.slice(0, 20).map(r => make("tr", {}, make("td", {}, clock(r.received_at)), make("td", { class: "text" }, make("span", { class: "bad" }, r.explain ? inWords(r.explain) : reasonName(r.reason)), make("div", { class: "soft mono" }, r.reason)),
    make("td", {}, r.mn || "–"), make("td", { class: "mono peer" }, r.peer || ""), make("td", { class: "text mono" }, (r.detail || []).map(deviationName).join(" "), make("div", { class: "soft" }, (r.text || r.hex || "").slice(0, 160))))));
  if (!list.length) at("refusals").replaceChildren(make("tr", {}, make("td", { class: "soft" }, say("none"))));
}
