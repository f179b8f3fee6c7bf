//! Why a request is not carried out. The codes are published and stay.

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
    KeyPending "key-pending", "上一个密钥尚未启用", "a key given earlier has neither been proven nor refused";
}
