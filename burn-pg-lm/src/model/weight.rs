//! Weights that are trained, or frozen.

use burn::{
    module::{Content, Devices, Module, ModuleDisplay, ModuleDisplayDefault, ModuleMapper, ModuleVisitor, Param},
    tensor::{Device, Tensor},
};

/// A weight of a model. A frozen one is no parameter: it has no gradient, is not part of checkpoints, and clones share it.
#[derive(Debug, Clone)]
#[allow(clippy::large_enum_variant)] // a model has few weights, and each is large
pub(crate) enum Weight<const D: usize> {
    /// A parameter.
    Trained(Param<Tensor<D>>),
    /// A constant.
    Frozen(Tensor<D>),
}

impl<const D: usize> Weight<D> {
    /// Creates a parameter.
    pub fn new(values: Tensor<D>) -> Self {
        Self::Trained(Param::from_tensor(values))
    }

    /// Returns the values.
    pub fn val(&self) -> Tensor<D> {
        match self {
            Self::Trained(parameter) => parameter.val(),
            Self::Frozen(values) => values.clone(),
        }
    }

    /// Returns a constant of the same values.
    pub fn frozen(self) -> Self {
        match self {
            Self::Trained(parameter) => Self::Frozen(parameter.val().detach()),
            frozen @ Self::Frozen(_) => frozen,
        }
    }

    /// Returns a parameter of the same values.
    pub fn trained(self) -> Self {
        match self {
            trained @ Self::Trained(_) => trained,
            Self::Frozen(values) => Self::new(values),
        }
    }
}

/// Does the same for both variants, without a part of the path: parameters have the same names, whether others are frozen or not.
macro_rules! either {
    ($weight:expr, $inner:ident => $done:expr) => {
        match $weight {
            Self::Trained($inner) => Self::Trained($done),
            Self::Frozen($inner) => Self::Frozen($done),
        }
    };
}

impl<const D: usize> Module for Weight<D> {
    fn collect_devices(&self, devices: Devices) -> Devices {
        match self {
            Self::Trained(parameter) => parameter.collect_devices(devices),
            Self::Frozen(values) => values.collect_devices(devices),
        }
    }

    fn fork(self, device: &Device) -> Self {
        either!(self, inner => inner.fork(device))
    }

    fn to_device(self, device: &Device) -> Self {
        either!(self, inner => Module::to_device(inner, device))
    }

    fn train(self) -> Self {
        either!(self, inner => inner.train())
    }

    fn valid(&self) -> Self {
        either!(self, inner => inner.valid())
    }

    fn materialize(self) -> Self {
        either!(self, inner => inner.materialize())
    }

    fn visit<V: ModuleVisitor>(&self, visitor: &mut V) {
        match self {
            Self::Trained(parameter) => parameter.visit(visitor),
            Self::Frozen(_) => {}
        }
    }

    fn map<M: ModuleMapper>(self, mapper: &mut M) -> Self {
        either!(self, inner => Module::map(inner, mapper))
    }
}

impl<const D: usize> ModuleDisplayDefault for Weight<D> {
    fn content(&self, content: Content) -> Option<Content> {
        content.add_single(&format!("{:?}", self.val().dims())).optional()
    }
}

impl<const D: usize> ModuleDisplay for Weight<D> {}
