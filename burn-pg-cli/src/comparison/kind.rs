//! The kinds of figures.

use serde::{Deserialize, Serialize};

/// What a figure measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Launch,
    Copy,
    Product,
    Environment,
    Inference,
    Update,
    Training,
    DeviceTime,
}

impl Kind {
    /// All kinds, in the order in which they are measured and shown.
    pub const ALL: [Self; 8] = [
        Self::Launch,
        Self::Copy,
        Self::Product,
        Self::Environment,
        Self::Inference,
        Self::Update,
        Self::Training,
        Self::DeviceTime,
    ];

    /// The kinds for which devices are compared with the CPU.
    pub const COMPARED: [Self; 3] = [Self::Inference, Self::Update, Self::Training];

    pub fn title(self) -> &'static str {
        match self {
            Self::Launch => "Kernel launches",
            Self::Copy => "Copies",
            Self::Product => "Matrix products",
            Self::Environment => "Environments",
            Self::Inference => "Inference",
            Self::Update => "Updates",
            Self::Training => "Training",
            Self::DeviceTime => "Time on the device",
        }
    }

    /// Says what is measured, in one sentence.
    pub fn explanation(self) -> &'static str {
        match self {
            Self::Launch => "Microseconds for one operation on one number. Less is better.",
            Self::Copy => "Bytes copied per second.",
            Self::Product => "Floating-point operations per second, in float32.",
            Self::Environment => "Environment steps per second on the CPU, with random actions.",
            Self::Inference => {
                "Actions per second, from observations in host memory to sampled actions in host memory (CartPole-v1)."
            }
            Self::Update => "Samples per second: one PPO step of the optimiser on one minibatch (CartPole-v1).",
            Self::Training => "Environment steps per second of PPO training in CartPole-v1, from end to end.",
            Self::DeviceTime => {
                "Share of the time that lies between the start of the first kernel and the end of the last one, by the clock \
                 of\nthe device. The rest is the time of the host, of launches and copies."
            }
        }
    }

    /// Returns the unit of the values, as in JSON.
    pub fn unit(self) -> &'static str {
        match self {
            Self::Launch => "us",
            Self::Copy => "B/s",
            Self::Product => "FLOP/s",
            Self::Environment | Self::Training => "steps/s",
            Self::Inference => "actions/s",
            Self::Update => "samples/s",
            Self::DeviceTime => "share",
        }
    }

    /// Returns the time that a figure gets, relative to those of other kinds.
    pub fn weight(self) -> f64 {
        match self {
            Self::Launch | Self::Copy | Self::Product | Self::Environment => 1.0,
            Self::Inference | Self::DeviceTime => 1.5,
            Self::Update => 2.0,
            Self::Training => 4.0,
        }
    }
}
