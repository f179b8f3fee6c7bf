//! Why a request is not carried out. The codes are published and stay.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use hj212::secret;

/// The longest value that a refusal shows.
const SHOWN_MAX: usize = 40;

/// What exactly is wrong: of which parameter, with which value, and what it must be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// The parameter or field of the request.
    pub parameter: String,
    /// What was given, cut; `None` if nothing was or if it is a secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// What it must be, in Chinese.
    pub must_zh: String,
    /// What it must be, in English.
    pub must_en: String,
}

impl About {
    pub(super) fn new(parameter: &str, value: Option<&Value>, must: (String, String)) -> About {
        let cut = |text: &str| text.chars().take(SHOWN_MAX).collect::<String>();
        // Somebody may have put a password where none belongs.
        let masked = |text: &str| cut(&String::from_utf8_lossy(&secret::masked_whole(text.as_bytes())));
        let value = value.map(|value| value.as_str().map_or_else(|| masked(&value.to_string()), masked));
        About { parameter: cut(parameter), value, must_zh: must.0, must_en: must.1 }
    }
}

/// A refusal with what is wrong in particular.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) reason: Refusal,
    pub(super) about: Option<About>,
}

impl From<Refusal> for Fault {
    fn from(reason: Refusal) -> Self {
        Fault { reason, about: None }
    }
}

macro_rules! refusals {
    ($( $variant:ident $code:literal, $zh:literal, $en:literal; )*) => {
        /// Why a request is refused. Nothing of it reaches a station.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
        pub enum Refusal { $( #[doc = $en] #[error($en)] $variant, )* }

        impl Refusal {
            /// All of them.
            pub const ALL: &'static [Refusal] = &[ $( Refusal::$variant, )* ];
            /// The stable name.
            #[must_use]
            pub const fn code(self) -> &'static str { match self { $( Self::$variant => $code, )* } }
            /// What it means, in Chinese.
            #[must_use]
            pub const fn explain_zh(self) -> &'static str { match self { $( Self::$variant => $zh, )* } }
            /// What it means, in English.
            #[must_use]
            pub const fn explain_en(self) -> &'static str { match self { $( Self::$variant => $en, )* } }
        }
    };
}

refusals! {
    Json "json", "请求不是合法的 JSON 或字段不对", "the request is no JSON object of the documented fields";
    TooLong "too-long", "请求或数据区过长", "the request or its data area is too long";
    IdForm "id-form", "请求编号不合规定", "the id is not 1 to 64 letters, digits, points, underscores and hyphens";
    IdUsed "id-used", "请求编号已用过", "the id has been used before";
    IdReserved "id-reserved", "该编号前缀由网关自用(recall-、first-、clock-、key-、register-)", "ids that begin with recall-, first-, clock-, key- or register- are the gateway's own";
    AuthorRole "author-role", "主题未带角色时 author 不得含“@”", "the author has an \"@\", as if a role vouched for it, and the topic names none";
    MnTaken "mn-taken", "该 MN 已登记给另一站点", "another station is registered with this MN, or was given it";
    StationUnknown "station-unknown", "站点未登记", "the station is not registered";
    CommandUnknown "command-unknown", "未知命令", "no edition has a command of this name";
    EditionLacks "edition-lacks", "该站点的标准版本没有此命令", "the station's edition does not have this command";
    NotAllowed "not-allowed", "未被允许", "no rule of the configuration allows this command for this station and author";
    ParameterUnknown "parameter-unknown", "未知参数", "a parameter that the command does not have";
    ParameterMissing "parameter-missing", "缺少参数", "a required parameter is missing";
    ParameterValue "parameter-value", "参数值不合规定", "a parameter's value is not one that the standard allows";
    QueueFull "queue-full", "队列已满", "the station's queue is full";
    NothingToConfirm "nothing-to-confirm", "没有待确认的请求", "no request of this id waits to be confirmed";
    ConfirmToken "confirm-token", "确认码不符", "the confirmation is not the one that was published";
    ConfirmAuthor "confirm-author", "须由他人确认", "another author must confirm";
    KeyMissing "key-missing", "没有可用密钥", "a key would travel in clear: the station has no proven key";
    EditionUnknown "edition-unknown", "站点的标准版本未登记且尚未上线", "the station's edition is neither registered nor seen: register it, or wait until it has spoken";
    Retained "retained", "请求不得以保留消息发布", "a request must not be published retained: it would be asked again at every start";
    Overdue "overdue", "请求已过期:自提出起已超过 expires", "the request is overdue: more than `expires` has passed since it was asked";
    AskedAt "asked-at", "asked_at 不是合法时间或晚于现在", "asked_at is no time with an offset, or lies in the future";
    Undated "undated", "请求未写明提出时间(asked_at)", "the request does not say when it was asked (asked_at), and the configuration wants that";
    SecretPlain "secret-plain", "请求中不得出现明文密码:请用 hj212-gateway seal 加密,或写入 command.secrets 目录并给出文件名", "a password stands in the request in clear: seal it with hj212-gateway seal, or put it into a file of command.secrets and name that";
    SecretUnreadable "secret-unreadable", "加密的值或文件无法读取", "the sealed value cannot be opened with the gateway's key, or the file cannot be read";
    RoleForbidden "role-forbidden", "该主题的角色无权执行此命令", "no rule allows this command to the role of the topic";
    RoleUnknown "role-unknown", "没有规则提到该主题中的角色", "no rule of `command.allow` names the role of the topic";
    RoleSame "role-same", "须由另一角色确认", "another role must confirm than the one that asked";
    ClockDoubted "clock-doubted", "网关主机时钟此刻不可信,含时间的请求不予受理(见 docs/time.md)", "the gateway's host does not know what time it is now: a request with a time is not taken (docs/time.md)";
    NothingToCancel "nothing-to-cancel", "没有可撤销的请求", "no request of this id waits or is carried out";
    KeyPending "key-pending", "上一个密钥尚未启用", "a key given earlier has neither been proven nor refused";
}
