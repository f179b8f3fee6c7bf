//! Messages in words, for people who hold a telephone and nothing else.
//!
//! What must stay true: a text says which station it is by name and place, what happened since when and how much of it, and who must act by when,
//! as far as the message says; placeholders come first; no JSON is shown. What is not known here is named by its key and value, never left out for that.

use std::fmt::Write;

use serde_json::Value;

use super::names::{Names, StationName};
use super::queue::Item;

/// Members of a message that are shown of what has no words of its own, at most.
const MEMBERS_MAX: usize = 12;

/// What a kind of message is called in Chinese, as on the status page; a kind that has no name stays.
#[must_use]
pub fn kind_zh(kind: &str) -> &str {
    let found = KINDS.iter().find(|(known, _)| *known == kind);
    found.map_or(kind, |(_, zh)| *zh)
}

/// Kinds and their names.
const KINDS: &[(&str, &str)] = &[
    ("online", "上线"),
    ("offline", "离线"),
    ("takeover", "换了连接"),
    ("clone-suspected", "疑似仿冒(同一 MN 两个来源)"),
    ("parts-missing", "拆分包未收齐"),
    ("mark-begin", "标记开始"),
    ("mark-end", "标记结束"),
    ("mark-proposed", "标记建议"),
    ("mark-confirmed", "标记确认"),
    ("mark-withdrawn", "标记撤销"),
    ("mark-conflict", "标记矛盾"),
    ("limit-near", "限额将尽"),
    ("limit-spent", "限额用尽"),
    ("limit-free", "限额恢复"),
    ("flag-differs", "标记位与复算不符"),
    ("count-exceeded", "超过允许次数"),
    ("marks-forgotten", "标记记忆已满"),
    ("mark-ruled", "主管部门已裁定"),
    ("revisions-cut", "更正的时段过多"),
    ("late-values", "数据迟到"),
    ("gap", "缺数"),
    ("gap-closed", "缺数结束"),
    ("station-limited", "上报过快,已放慢读取"),
    ("station-forgotten", "未登记站点已移出"),
    ("marks-limited", "标记变化过多,已合并"),
    ("command", "反控"),
    ("key", "密钥"),
    ("clock-drift", "时钟偏差过大"),
    ("clock-right", "时钟恢复"),
    ("registration-differs", "登记需更新"),
    ("alert", "超标预警"),
    ("alert-ahead", "临近预警"),
    ("alert-reminder", "预警提醒"),
    ("judgement-forgotten", "超出判定保留期"),
    ("case-opened", "案件立案"),
    ("case-overdue", "案件逾期"),
    ("case-relapsed", "整改后再次超标"),
    ("case-closed", "案件销号"),
    ("case-not-opened", "案件未能立案"),
    ("dialect-proposed", "建议更换方言(站点不接受应答)"),
    ("lead", "数据线索"),
    ("dead-letter", "MQTT 服务拒收消息"),
    ("rejected-unkept", "拒收过多,未全部保存"),
    ("hj212.alert/1", "预警单"),
    ("hj212.case/1", "案件"),
    ("hj212.lead/1", "数据线索"),
    ("hj212.command/1", "反控状态"),
    ("hj212.clock-step/1", "网关日期已调整"),
    ("hj212.judgement/1", "达标判定"),
    ("hj212.judgement-running/1", "日均值走势"),
    ("hj212.case-step-status/1", "案件步骤答复"),
    ("hj212.score/1", "站点月评分"),
    ("hj212.operator-score/1", "运维单位月评分"),
    ("hj212.ledger-status/1", "运维台账答复"),
    ("hj212.mark-entry-status/1", "人工标记答复"),
    ("hj212.mark-ruling-status/1", "标记裁定答复"),
    (super::TEST_KIND, "【测试】推送测试"),
];

/// Values that are words of the protocol of messages, and members, in Chinese.
const VALUES: &[(&str, &str)] = &[
    ("realtime", "实时数据"),
    ("minute", "分钟数据"),
    ("hour", "小时数据"),
    ("day", "日数据"),
    ("offline", "站点离线"),
    ("gateway-down", "网关停运"),
    ("not-sent", "在线未发"),
    ("returned", "已补传"),
    ("recalled", "补召成功"),
    ("given-up", "补召未果,不再等待"),
    ("lost", "站点已无此数据"),
    ("too-old", "时间过久"),
    ("too-many", "段数过多"),
    ("interval-changed", "上报间隔已变"),
    ("clock-step", "网关日期已调整"),
    ("enterprise", "企业"),
    ("operator", "运维单位"),
    ("county", "县区"),
    ("city", "市局"),
    ("province", "省级"),
    ("done", "成功"),
    ("failed", "失败"),
    ("refused", "拒绝"),
    ("timed-out", "超时"),
    ("expired", "过期"),
    ("cancelled", "已撤回"),
    ("offered", "已下发,未证实"),
    ("proven", "已证实"),
    ("used", "已启用"),
    ("due", "已满 90 天,应更换"),
    ("asked", "站点申请新密钥"),
    ("accepted", "已接受"),
    ("state", "状态"),
    ("reason", "原因"),
    ("why", "原因"),
    ("count", "条数"),
    ("code", "因子"),
    ("author", "提出人"),
    ("command", "命令"),
    ("packets", "收到包数"),
    ("offset_ms", "偏差(毫秒)"),
    ("dialect", "方言"),
    ("current", "现登记"),
    ("slowed", "放慢次数"),
    ("topics", "主题"),
    ("first", "起"),
    ("last", "止"),
    ("bytes", "字节"),
    ("networks", "网段"),
    ("month", "月份"),
    ("good", "成功"),
    ("true", "是"),
    ("false", "否"),
    ("cn", "CN"),
    ("st", "ST"),
];

fn value_zh(word: &str) -> &str {
    let found = VALUES.iter().find(|(known, _)| *known == word);
    found.map_or(word, |(_, zh)| *zh)
}

/// A message, read for its words.
pub(super) struct PushedText<'a> {
    kind: &'a str,
    said: Value,
    station: Option<StationName>,
}

impl<'a> PushedText<'a> {
    pub(super) fn of(item: &'a Item, names: &dyn Names) -> PushedText<'a> {
        let said: Value = serde_json::from_slice(&item.body).unwrap_or_default();
        let station = said["mn"].as_str().and_then(|mn| names.station(mn));
        PushedText { kind: &item.kind, said, station }
    }

    /// A member of the message, or of its detail.
    fn member(&self, key: &str) -> &Value {
        let own = &self.said[key];
        if own.is_null() { &self.said["detail"][key] } else { own }
    }

    fn word(&self, key: &str) -> &str {
        self.member(key).as_str().unwrap_or_default()
    }

    fn count(&self, key: &str) -> u64 {
        self.member(key).as_u64().unwrap_or_default()
    }

    fn explained(&self) -> Option<&str> {
        self.said["explain"]["zh"].as_str().or_else(|| self.said["detail"]["zh"].as_str())
    }

    /// Whether its thresholds stand in for others.
    fn is_of_placeholders(&self) -> bool {
        self.said["rule"]["placeholder"] == true || self.explained().is_some_and(|zh| zh.starts_with(PLACEHOLDER))
    }

    /// Who it is about: a station by its name, else its MN, else the gateway.
    fn subject(&self) -> &str {
        let own = self.station.as_ref().map(|station| station.name.as_str()).filter(|name| !name.is_empty());
        let said = || self.said["station"]["name"].as_str().filter(|name| !name.is_empty());
        own.or_else(said).or_else(|| self.said["mn"].as_str()).unwrap_or_else(|| self.word("gateway"))
    }

    /// One line.
    pub(super) fn title(&self) -> String {
        let colour = match self.word("colour") {
            "blue" => "【蓝】",
            "yellow" => "【黄】",
            "orange" => "【橙】",
            "red" => "【红】",
            _ => "",
        };
        let placeholder = if self.is_of_placeholders() { PLACEHOLDER } else { "" };
        let title = format!("{placeholder}{colour}{} {}", kind_zh(self.kind), self.subject());
        title.chars().filter(|c| !c.is_control()).take(120).collect()
    }

    /// The lines below the title but for the last, which is the id.
    pub(super) fn lines(&self, names: &dyn Names) -> Vec<String> {
        let mut lines = self.place();
        if let Some(time) = self.said["time"].as_str() {
            lines.push(format!("时间 {}", moment(time)));
        }
        if let Some(code) = self.member("code").as_str().filter(|_| self.kind != "case-not-opened") {
            match names.factor(code) {
                Some(name) => lines.push(format!("因子 {name} {code}")),
                None => lines.push(format!("因子 {code}")),
            }
        }
        match self.kind {
            "gap" | "gap-closed" => lines.extend(self.gap()),
            "online" | "offline" | "takeover" | "clone-suspected" => lines.extend(self.presence()),
            _ => match self.explained() {
                Some(zh) => lines.push(zh.strip_prefix(PLACEHOLDER).unwrap_or(zh).to_owned()),
                None => lines.extend(self.members()),
            },
        }
        lines.extend(self.duty());
        lines
    }

    /// The place and the MN.
    fn place(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let region = self.station.as_ref().and_then(|station| station.region.as_deref());
        let region =
            region.or_else(|| self.said["station"]["tags"]["region"].as_str()).or_else(|| self.said["region"].as_str());
        if let Some(region) = region.filter(|region| !region.is_empty()) {
            lines.push(format!("地区 {region}"));
        }
        if let Some(mn) = self.said["mn"].as_str() {
            lines.push(format!("MN {mn}"));
        }
        lines
    }

    fn gap(&self) -> Vec<String> {
        let (from, to) = (moment(self.word("from")), moment(self.word("to")));
        let kind = value_zh(self.word("data_kind"));
        let cause = value_zh(self.word("cause"));
        if self.kind == "gap" {
            let goes_on = if self.member("growing") == true { "，仍在增加" } else { "" };
            return vec![format!(
                "{kind}自 {from} 起缺数，至 {to} 共 {} 条{goes_on}；原因：{cause}",
                self.count("count")
            )];
        }
        vec![
            format!("{kind}自 {from} 至 {to} 缺 {} 条；原因：{cause}", self.count("count")),
            format!(
                "结果：{}；补齐 {} 条（其中补召 {} 条），仍缺 {} 条",
                value_zh(self.word("reason")),
                self.count("came"),
                self.count("recalled"),
                self.count("missing")
            ),
        ]
    }

    fn presence(&self) -> Vec<String> {
        let peer = |at: &str| self.said[at]["peer"].as_str().map(str::to_owned);
        let line = match (peer("on"), peer("was")) {
            (Some(on), Some(was)) => format!("现来自 {on}，此前来自 {was}"),
            (Some(on), None) => format!("来源 {on}"),
            (None, _) => return Vec::new(),
        };
        vec![line]
    }

    /// Who must act by when, of alerts and of cases as documents; the events of cases say so in their words.
    fn duty(&self) -> Option<String> {
        let told = self.member("told");
        if let Some(to) = told["to"].as_str() {
            let by = |key: &str| told[key].as_str().map(moment);
            let mut line = format!("责任方 {}", value_zh(to));
            for (by, what) in [(by("reply_by"), "反馈截止"), (by("finish_by"), "整改截止")] {
                if let Some(by) = by {
                    let _ = write!(line, "；{what} {by}");
                }
            }
            return Some(line);
        }
        if self.kind != "hj212.case/1" {
            return None;
        }
        let next = self.said["next"].as_str()?;
        let due = self.said["due"].as_str().map(|due| format!("；截止 {}", moment(due))).unwrap_or_default();
        Some(format!("状态 {}；责任方 {}{due}", self.word("state_zh"), value_zh(next)))
    }

    /// What has no words of its own: single values by name.
    fn members(&self) -> Vec<String> {
        let own = if self.said["detail"].is_object() { &self.said["detail"] } else { &self.said };
        let known = [
            "schema",
            "id",
            "gateway",
            "mn",
            "kind",
            "time",
            "station",
            "journal",
            "colour",
            "colour_zh",
            "state_zh",
            "code",
        ];
        let shown = own.as_object().into_iter().flatten().filter(|(key, _)| !known.contains(&key.as_str()));
        let line = |(key, value): (&String, &Value)| Some(format!("{}：{}", value_zh(key), plain(value)?));
        let mut lines: Vec<String> = shown.filter_map(line).take(MEMBERS_MAX).collect();
        if let (Some(mark), Some(object)) = (self.said["mark"]["mark"].as_str(), self.said["mark"]["object"].as_str()) {
            lines.insert(0, format!("标记 {mark}，对象 {object}"));
        }
        lines
    }
}

/// What stands before texts whose thresholds are placeholders.
const PLACEHOLDER: &str = "【阈值为占位值】";

/// A single value, or a list of such; nothing for what has members.
fn plain(value: &Value) -> Option<String> {
    match value {
        Value::Null | Value::Object(_) => None,
        Value::Bool(yes) => Some(if *yes { "是" } else { "否" }.to_owned()),
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) if text.is_empty() => None,
        Value::String(text) => Some(if is_moment(text) { moment(text) } else { value_zh(text).to_owned() }),
        Value::Array(all) => {
            let words: Vec<String> = all.iter().filter_map(plain).collect();
            (!words.is_empty()).then(|| words.join("、"))
        }
    }
}

fn is_moment(text: &str) -> bool {
    text.len() >= 19 && text.as_bytes().get(10) == Some(&b'T') && text.starts_with("20")
}

/// A time of a message, `2026-06-01T00:00:00.000+08:00`, as people read it. Messages have the time of Beijing.
fn moment(text: &str) -> String {
    match text.get(..19) {
        Some(head) if is_moment(text) => head.replace('T', " "),
        Some(_) | None => text.to_owned(),
    }
}
