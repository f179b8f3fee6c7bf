//! The ways stations depart from the standard and are understood all the same.
//!
//! Every departure that the protocol crate reads over has a stable code here. The code is published with the reading, counted
//! per station and explained by `decode`. What must stay true: a code, once released, never changes its name or its meaning;
//! [`Deviation`] values are stored in the journal by their number, so new ones are appended at the end.

use std::fmt;

macro_rules! deviations {
    ($( $variant:ident = $number:literal, $kind:literal, $code:literal, $zh:literal, $en:literal; )*) => {
        /// One way of departing from the standard.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Deviation { $( #[doc = $en] $variant = $number, )* }

        impl Deviation {
            /// All deviations, in the order of their numbers.
            pub const ALL: &'static [Deviation] = &[ $( Deviation::$variant, )* ];
            /// The one with this number. Numbers that were never given have none.
            #[must_use]
            pub const fn from_number(number: u32) -> Option<Deviation> {
                match number { $( $number => Some(Self::$variant), )* _ => None }
            }
            /// The stable name, as published and counted.
            #[must_use]
            pub const fn code(self) -> &'static str { match self { $( Self::$variant => $code, )* } }
            /// The kind of deviation: 1 to 27, the row of the field catalogue it belongs to (docs/deviations.md).
            #[must_use]
            pub const fn kind(self) -> u8 { match self { $( Self::$variant => $kind, )* } }
            /// What it means, in Chinese, for operators and integrators.
            #[must_use]
            pub const fn explain_zh(self) -> &'static str { match self { $( Self::$variant => $zh, )* } }
            /// What it means, in English.
            #[must_use]
            pub const fn explain_en(self) -> &'static str { match self { $( Self::$variant => $en, )* } }
        }
    };
}

deviations! {
    LengthDigits = 0, 1, "length-digits", "数据段长度不是四位十进制数", "the length is not written with four digits";
    HeadEightDigits = 1, 1, "head-8-digits", "包头带八位数字(四位地址加四位长度)", "eight digits after ##: a four digit address and the length";
    LengthOff = 2, 2, "length-off", "声明的数据段长度与实际不符", "the declared length is not the length of the data segment";
    CrcModbus = 3, 3, "crc-modbus", "CRC 按 MODBUS 算法计算", "the CRC is CRC-16/MODBUS";
    CrcModbusSwapped = 4, 3, "crc-modbus-swapped", "CRC 按 MODBUS 算法计算且高低字节颠倒", "the CRC is CRC-16/MODBUS with its bytes swapped";
    CrcCcitt = 5, 3, "crc-ccitt", "CRC 按 CCITT 算法计算", "the CRC is a CCITT CRC";
    CrcSwapped = 6, 3, "crc-swapped", "CRC 高低字节颠倒", "the CRC is right but its bytes are swapped";
    CrcLeadingZeros = 7, 3, "crc-leading-zeros", "CRC 丢掉了前导零", "the CRC lost its leading zeros";
    CrcDummy = 8, 3, "crc-dummy", "CRC 是固定的占位值", "the CRC is a constant placeholder";
    CrcWithoutClosing = 9, 3, "crc-without-closing", "CRC 未把结尾的 && 计算在内", "the CRC leaves out the closing &&";
    CrcCharacters = 10, 3, "crc-characters", "CRC 按字符而不是按字节计算", "the CRC was computed over characters, not bytes";
    CrcUnchecked = 11, 3, "crc-unchecked", "CRC 不符,按站点设置未校验", "the CRC does not match; this station's policy is not to check";
    CrcLowercase = 12, 4, "crc-lowercase", "CRC 用小写十六进制书写", "the CRC is written in lower case";
    EndingMissing = 13, 5, "ending-missing", "包尾缺少回车换行", "CR LF is missing after the CRC";
    EndingLf = 14, 5, "ending-lf", "包尾只有换行", "only LF after the CRC";
    EndingCr = 15, 5, "ending-cr", "包尾只有回车", "only CR after the CRC";
    EndingSpaces = 16, 5, "ending-spaces", "CRC 与回车换行之间有空格", "spaces between the CRC and CR LF";
    EndingLiteral = 17, 5, "ending-literal", "包尾写成了字面的 \\r\\n 四个字符", "the four characters \\r\\n instead of CR LF";
    EndingStars = 18, 5, "ending-stars", "CRC 后多了 **", "** after the CRC";
    StartMissing = 19, 6, "start-missing", "缺少包头 ##", "the ## is missing";
    ClosingMissing = 20, 7, "closing-missing", "数据区缺少结尾的 &&", "the closing && is missing";
    SeparatorExtra = 21, 7, "separator-extra", "多余的分隔符", "an extra separator";
    Spaces = 22, 7, "spaces", "分隔符旁有空格", "spaces around separators";
    QnMissing = 23, 8, "qn-missing", "缺少 QN", "QN is missing";
    QnEmpty = 24, 8, "qn-empty", "QN 为空", "QN is empty";
    QnForm = 25, 8, "qn-form", "QN 不是 17 位时间", "QN is not a time stamp of 17 digits";
    QnMisplaced = 26, 8, "qn-misplaced", "QN 不在数据段开头", "QN does not stand first";
    QnInArea = 27, 8, "qn-in-area", "QN 写在数据区内", "QN stands inside CP";
    PwEmpty = 28, 9, "pw-empty", "PW 缺失或为空", "PW is missing or empty";
    PwForm = 29, 9, "pw-form", "PW 不是 6 位", "PW does not have six characters";
    MnEmpty = 30, 10, "mn-empty", "MN 缺失或为空", "MN is missing or empty";
    MnForm = 31, 10, "mn-form", "MN 的长度或字符不符合标准", "MN has another length or other characters than the standard says";
    FlagMissing = 32, 11, "flag-missing", "缺少 Flag", "Flag is missing";
    FlagForm = 33, 11, "flag-form", "Flag 不是 0 到 255 的整数", "Flag is no integer from 0 to 255";
    FlagEdition = 34, 11, "flag-edition", "Flag 的版本位与站点登记的标准不一致", "the version bits of Flag are those of another edition";
    SplitWithoutParts = 35, 11, "split-without-parts", "Flag 表明拆分包,但没有 PNUM/PNO", "Flag says split, PNUM and PNO are missing";
    PartsWithoutSplit = 36, 11, "parts-without-split", "有 PNUM/PNO,但 Flag 未表明拆分包", "PNUM and PNO are there, Flag does not say split";
    PartsForm = 37, 11, "parts-form", "PNUM/PNO 写法、次序或取值不合标准", "PNUM and PNO are padded, misplaced, reversed or out of range";
    StForm = 38, 12, "st-form", "ST 不是两位", "ST does not have two characters";
    StMismatch = 39, 12, "st-mismatch", "ST 与站点登记的不一致", "ST is not the one registered for the station";
    DataTimeForm = 40, 13, "datatime-form", "DataTime 不是 14 位时间", "DataTime is not a time of 14 digits";
    DataTimeSeconds = 41, 13, "datatime-seconds", "时段数据的 DataTime 未落在整点上", "the DataTime of a period record is not a whole period";
    DataTimeFuture = 42, 13, "datatime-future", "DataTime 晚于接收时间", "DataTime lies in the future";
    DataTimeMissing = 43, 13, "datatime-missing", "缺少 DataTime", "DataTime is missing";
    CommaBetweenItems = 44, 14, "comma-between-items", "因子之间用了逗号", "a comma between items";
    SemicolonWithinItem = 45, 14, "semicolon-within-item", "同一因子内用了分号", "a semicolon within an item";
    FlagFirst = 46, 15, "flag-first", "标记写在数值之前", "the flag stands before the value";
    FlagWithoutItem = 47, 15, "flag-without-item", "标记没有因子编码", "a flag without its item's code";
    FlagOfOther = 48, 15, "flag-of-other", "标记属于没有数值的因子", "a flag of an item that has no value here";
    ItemTwice = 49, 15, "item-twice", "同一字段出现两次", "the same field twice";
    ValueEmpty = 50, 16, "value-empty", "数值为空", "a value is empty";
    ValueNotNumber = 51, 16, "value-not-number", "数值不是数", "a value is no number";
    ValueForm = 52, 16, "value-form", "数值写法不规范(加号、前导零、指数)", "a number with a plus sign, leading zeros or an exponent";
    ValueSentinel = 53, 16, "value-sentinel", "数值是占位值(如 -9999)", "a placeholder instead of a value, as -9999";
    FieldName = 54, 17, "field-name", "字段名的大小写或拼写不合标准", "a field name in another case or spelling";
    CodeUnknown = 55, 18, "code-unknown", "因子编码不在字典中", "an item's code is not in the dictionary";
    CodeAlias = 56, 18, "code-alias", "因子用了别名或其他版本的编码", "an item's code is an alias or another edition's";
    SegmentLong = 57, 19, "segment-long", "数据段超过 1024 字节", "the data segment is longer than 1024 bytes";
    TextGb18030 = 58, 20, "text-gb18030", "文本采用 GBK/GB18030 编码", "text in GBK or GB18030";
    TextUndecodable = 59, 20, "text-undecodable", "文本编码无法识别", "text in no known encoding";
    NoiseBefore = 60, 21, "noise-before", "数据包之前有无法识别的字节", "bytes of no meaning before the frame";
    Resent = 61, 22, "resent", "与先前的记录完全相同(重发)", "exactly the same as an earlier record";
    QnReused = 62, 22, "qn-reused", "不同记录使用了同一个 QN", "the same QN for different records";
    AnswerForm = 63, 23, "answer-form", "应答的写法不合标准", "an answer in an odd form";
    AnswerOverride = 64, 24, "answer-override", "按站点设置应答,与 Flag 的应答位不同", "answered by the station's setting, against the Flag's answer bit";
    HeartbeatForm = 65, 25, "heartbeat-form", "标准以外的心跳或登录命令", "a heartbeat or login outside the standard";
    ConnectionShared = 66, 26, "connection-shared", "多个 MN 共用一个连接,或 MN 换了连接", "several MNs on one connection, or an MN that moved";
    ClockOff = 67, 27, "clock-off", "现场机时钟与接收时间相差过大", "the station's clock is far from the time of arrival";
    ParenthesesSealed = 68, 7, "sealed-text", "密文以 {0x..} 文本形式发送", "ciphertext written as {0x..} text";
    HeaderUnknown = 69, 7, "header-unknown", "数据段头部有标准以外的字段", "a header field that is not in the standard";
    HeaderTwice = 70, 7, "header-twice", "数据段头部字段重复", "a header field twice";
    ItemMalformed = 71, 7, "item-malformed", "数据区内有无法拆开的内容", "something in CP that is no name=value";
    OpeningMissing = 72, 7, "opening-missing", "数据区缺少开头的 &&", "the opening && of CP is missing";
    SeparatorOdd = 73, 7, "separator-odd", "头部字段之间的分号缺失或写成逗号", "a semicolon between header fields is missing or a comma";
    CodeMedium = 74, 18, "code-medium", "因子编码的介质与 ST 不符", "an item's code belongs to another kind of station than ST says";
    CodeAmbiguous = 75, 18, "code-ambiguous", "因子编码有多种含义,无法确定", "an item's code has several meanings, and nothing says which";
    CodeTwice = 76, 18, "code-twice", "同一数据包中两个编码指同一因子", "two codes of one record stand for the same factor";
    CrcSigned = 77, 3, "crc-signed", "CRC 按带符号字节计算(中文等 127 以上的字节出错)", "the CRC was computed over signed bytes: wrong where the text holds bytes above 127";
    CrcMissing = 78, 3, "crc-missing", "没有 CRC", "there is no CRC";
    CrcForm = 79, 3, "crc-form", "CRC 不是四位十六进制数", "the CRC is not written as four hexadecimal digits";
    CrcBinary = 80, 3, "crc-binary", "CRC 是两个原始字节而不是四位十六进制数", "the CRC is two raw bytes instead of four hexadecimal digits";
    HeadFifthDigit = 81, 1, "head-fifth-digit", "四位长度之后多了一位 0", "a fifth digit 0 after the length";
    HeadBlank = 82, 1, "head-blank", "包头与长度、长度与数据段之间有空格", "blanks around the length";
    HeadSeparator = 83, 1, "head-separator", "长度旁有多余的标点", "punctuation beside the length";
    HeadLine = 84, 1, "head-line", "包头或长度自成一行", "the length stands on a line of its own";
    HeadNamed = 85, 1, "head-named", "长度写成了带名称的字段(如 len=0130;)", "the length is written as a field with a name, as len=0130;";
    LengthPlaceholder = 86, 1, "length-placeholder", "长度处是占位字符,不是数", "a placeholder stands where the length should be";
    LengthHex = 87, 1, "length-hex", "长度用十六进制书写", "the length is written in hexadecimal";
    SeparatorEscaped = 89, 7, "separator-escaped", "& 写成了 &amp;", "& is written as &amp;";
    ColonForEquals = 90, 7, "colon-for-equals", "头部字段的等号写成了冒号", "a colon for the equals sign of a header field";
    FlagInArea = 91, 11, "flag-in-area", "Flag 写在数据区内或其后", "Flag stands inside CP or behind it";
    SealedUnspoken = 92, 20, "sealed-unspoken", "数据区像密文,但 Flag、站点登记与密钥都不表明加密", "the data area looks encrypted, but neither Flag nor registration nor a key says so";
    CodeTable = 95, 18, "code-table", "因子编码按整个数据包判定所属编码表,与 ST 不符", "the table a code belongs to was told by the whole record, against what ST says";
    ItemDiffers = 96, 15, "item-differs", "同一编码出现两次且内容不同,各成一条读数", "the same code as two items that differ: two readings";
    ItemRepeated = 97, 15, "item-repeated", "同一因子原样重复", "an item said again with the same values";
    FlagAlone = 98, 15, "flag-alone", "因子只有标记,没有数值", "an item with a flag and no value";
    ValueComma = 99, 16, "value-comma", "数值中有逗号", "a comma within a value";
    SeparatorAmpersand = 100, 7, "separator-ampersand", "数据区内用 & 分隔", "& between items of the data area";
    SeparatorFullWidth = 101, 7, "separator-full-width", "分隔符、等号或数据标记是全角字符", "separators, equals signs or flags in full width";
    PartsWithoutTime = 102, 11, "parts-without-time", "拆分包缺少各自的 DataTime,按 QN 合并", "parts without a DataTime of their own, put together by QN";
    PartsCut = 103, 11, "parts-cut", "拆分包在因子中间断开", "a part ends within an item";
    PartsFromZero = 104, 11, "parts-from-zero", "PNO 从 0 开始", "PNO counts from 0";
    SealedBase64 = 113, 20, "sealed-base64", "密文以 Base64 文本形式发送", "ciphertext written in base64";
    SealedHex = 114, 20, "sealed-hex", "密文以十六进制文本形式发送", "ciphertext written in hexadecimal";
    SealedPaddingPkcs7 = 115, 20, "sealed-padding-pkcs7", "加密前按 PKCS7 填充(标准不填充)", "the area was filled up by PKCS7 before it was encrypted; the standard fills up nothing";
    SealedPaddingZero = 116, 20, "sealed-padding-zero", "加密前以零字节填充(标准不填充)", "the area was filled up with zeros before it was encrypted; the standard fills up nothing";
    SealedPaddingOther = 117, 20, "sealed-padding-other", "加密前以其他方式填充(标准不填充)", "the area was filled up in another way before it was encrypted; the standard fills up nothing";
    AreaOpening = 118, 7, "area-opening", "数据区的开头不是 CP=&&(如 CP&&、CP;&&、DATA=&&、CP=$$)", "the data area does not begin with CP=&& (but as CP&&, CP;&&, DATA=&&, CP=$$)";
    AreaUnreadable = 119, 7, "data-area-unreadable", "没有数据区,或数据区中读不出任何字段", "there is no data area, or no field can be read from it";
    ClosingOdd = 120, 7, "closing-odd", "数据区结尾的 & 不是两个", "the data area is not closed by two &";
    NameOdd = 121, 17, "name-odd", "因子编码、字段名与数值之间用了其他字符(下划线、冒号、空格、不可见字符)", "other characters than - and = within an item, or characters that nobody sees";
    SeparatorLost = 122, 7, "separator-lost", "两个字段之间缺少分隔符,或用了其他字符(竖线、斜线等)", "the separator between two fields is missing, or another mark stands in its place (a bar, a slash)";
    DataTimeEpoch = 123, 13, "datatime-epoch", "DataTime 是自 1970 年起的秒数或毫秒数", "DataTime is written as seconds or milliseconds since 1970";
    PartsByNumber = 124, 11, "parts-by-number", "拆分包既无 DataTime 又无相同的 QN,按 PNUM/PNO 合并", "parts with neither a DataTime nor a QN in common, put together by PNUM and PNO";
    InstrumentBehind = 125, 15, "instrument-behind", "PolId 写在其数值之后;分组不能说明归属时,数值不归于任何仪器", "PolId stands behind its values; where the groups do not tell whose they are, they stand under none";
}

#[cfg(feature = "serde")]
impl serde::Serialize for Deviation {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.code())
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for Deviation {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let code = String::deserialize(from)?;
        let known = Deviation::ALL.iter().find(|deviation| deviation.code() == code);
        known.copied().ok_or_else(|| serde::de::Error::custom(format!("\"{code}\" is no deviation")))
    }
}

/// A set of deviations, small enough to be copied about.
#[derive(Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Deviations(u128);

impl Deviations {
    /// No deviation: as the standard says.
    pub const NONE: Deviations = Deviations(0);

    /// How many numbers there can be: every number is below this, with gaps.
    pub const NUMBERS: usize = u128::BITS as usize;

    /// Adds one.
    pub fn insert(&mut self, deviation: Deviation) {
        self.0 |= 1 << deviation as u8;
    }

    /// Whether `deviation` is among them.
    #[must_use]
    pub const fn contains(self, deviation: Deviation) -> bool {
        self.0 & (1 << deviation as u8) != 0
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The set without `deviation`.
    #[must_use]
    pub const fn without(self, deviation: Deviation) -> Deviations {
        Deviations(self.0 & !(1 << deviation as u8))
    }

    /// Both sets together.
    #[must_use]
    pub const fn union(self, other: Deviations) -> Deviations {
        Deviations(self.0 | other.0)
    }

    /// The set as stored in the journal: bit n is the deviation numbered n.
    #[must_use]
    pub const fn bits(self) -> u128 {
        self.0
    }

    /// A set from the journal. Bits of unknown deviations are kept and not shown.
    #[must_use]
    pub const fn from_bits(bits: u128) -> Deviations {
        Deviations(bits)
    }

    /// The members in the order of their numbers.
    pub fn iter(self) -> impl Iterator<Item = Deviation> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            while rest != 0 {
                let number = rest.trailing_zeros();
                rest &= rest - 1;
                if let Some(deviation) = Deviation::from_number(number) {
                    return Some(deviation);
                }
            }
            None
        })
    }
}

impl From<Deviation> for Deviations {
    fn from(deviation: Deviation) -> Self {
        let mut set = Deviations::NONE;
        set.insert(deviation);
        set
    }
}

impl fmt::Debug for Deviations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(Deviation::code)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_rise_and_fit_the_set_and_codes_are_unique() {
        let mut codes = std::collections::HashSet::new();
        assert!(Deviation::ALL.is_sorted_by(|a, b| (*a as u8) < *b as u8));
        for deviation in Deviation::ALL {
            assert!((*deviation as u32) < u128::BITS);
            assert_eq!(Deviation::from_number(*deviation as u32), Some(*deviation));
            assert!(codes.insert(deviation.code()));
        }
    }

    #[test]
    fn every_kind_of_the_catalogue_has_a_code() {
        for kind in 1..=27 {
            assert!(Deviation::ALL.iter().any(|d| d.kind() == kind), "kind {kind}");
        }
    }

    #[test]
    fn the_document_lists_every_code_as_it_is_explained_here() {
        let document = include_str!("../../../docs/deviations.md");
        let listed: Vec<&str> = document.lines().filter(|line| line.starts_with("| `")).collect();
        let wanted: Vec<String> = Deviation::ALL
            .iter()
            .map(|d| format!("| `{}` | {} | {} | {} |", d.code(), d.kind(), d.explain_zh(), d.explain_en()))
            .collect();
        assert_eq!(listed, wanted);
    }

    #[test]
    fn a_set_survives_the_journal() {
        let mut set = Deviations::NONE;
        set.insert(Deviation::CrcLowercase);
        set.insert(Deviation::ItemMalformed);
        let back = Deviations::from_bits(set.bits());
        assert_eq!(back.iter().collect::<Vec<_>>(), [Deviation::CrcLowercase, Deviation::ItemMalformed]);
    }
}
