//! Kinds of work, and who enters it.
//!
//! What must stay true: names are published and keep their meaning.

use serde::{Deserialize, Serialize};

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WorkKind {
    /// 巡检
    Patrol,
    /// 校准
    Calibration,
    /// 维修
    Repair,
    /// 更换 of a part or a device
    Replacement,
    /// 标样核查
    StandardCheck,
    /// 试剂或标气更换
    Reagent,
    /// 参数修改
    ParameterChange,
}

impl WorkKind {
    /// All kinds.
    pub const ALL: &'static [WorkKind] = &[
        WorkKind::Patrol,
        WorkKind::Calibration,
        WorkKind::Repair,
        WorkKind::Replacement,
        WorkKind::StandardCheck,
        WorkKind::Reagent,
        WorkKind::ParameterChange,
    ];

    /// The published name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Patrol => "patrol",
            Self::Calibration => "calibration",
            Self::Repair => "repair",
            Self::Replacement => "replacement",
            Self::StandardCheck => "standard-check",
            Self::Reagent => "reagent",
            Self::ParameterChange => "parameter-change",
        }
    }

    /// In Chinese.
    #[must_use]
    pub const fn zh(self) -> &'static str {
        match self {
            Self::Patrol => "巡检",
            Self::Calibration => "校准",
            Self::Repair => "维修",
            Self::Replacement => "更换",
            Self::StandardCheck => "标样核查",
            Self::Reagent => "试剂标气更换",
            Self::ParameterChange => "参数修改",
        }
    }
}

/// As whom an entry is made: a level of its topic, so that the broker's access list decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WorkRole {
    /// The company that is registered as keeping the station (运维单位).
    Operator,
    /// The enterprise itself, which may keep its station without a company (自行运维).
    Enterprise,
}

impl WorkRole {
    /// The role of this published name.
    #[must_use]
    pub fn named(name: &str) -> Option<WorkRole> {
        match name {
            "operator" => Some(Self::Operator),
            "enterprise" => Some(Self::Enterprise),
            _ => None,
        }
    }
}
