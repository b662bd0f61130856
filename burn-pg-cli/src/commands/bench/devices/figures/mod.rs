//! The figures that are measured on each device.

mod copy;
mod device_time;
mod environment;
mod inference;
mod launch;
mod product;
mod training;
mod update;

use anyhow::Result;
use burn_pg::{
    burn::tensor::Device,
    device::Backend,
    envs::{EnvRng, EnvSpec, spec},
    policy::{ActorCritic, NetworkSpec},
};

use super::measure::{Method, Planned, Work, repeated};
use crate::{
    comparison::{Kind, Size},
    numbers::grouped,
};

/// The environment of the figures with networks.
const ENV: &str = "CartPole-v1";

/// Sizes of the figures.
pub struct Grid {
    backend: Backend,
    /// Bytes of a copy.
    copies: &'static [usize],
    /// Rows of a matrix product.
    rows: &'static [usize],
    envs: &'static [usize],
    widths: &'static [usize],
    /// Numbers of environments for training.
    trained: &'static [usize],
}

impl Grid {
    pub fn new(backend: Backend, quick: bool) -> Self {
        let widths = &[64, 256];
        match quick {
            true => Self {
                backend,
                copies: &[1 << 16, 1 << 24],
                rows: &[256, 8_192],
                envs: &[64, 1_024],
                widths,
                trained: &[8, 64],
            },
            false => Self {
                backend,
                copies: &[1 << 16, 1 << 22, 1 << 26],
                rows: &[256, 2_048, 16_384, 131_072],
                envs: &[16, 64, 256, 1_024, 4_096, 16_384, 65_536],
                widths,
                trained: &[8, 64, 512, 4_096],
            },
        }
    }

    /// Returns all figures, in the order of [`Kind::ALL`]. Within a kind, the cost of a figure grows.
    pub fn figures(&self) -> Vec<Planned> {
        Kind::ALL.into_iter().flat_map(|kind| self.figures_of(kind)).collect()
    }

    fn figures_of(&self, kind: Kind) -> Vec<Planned> {
        match kind {
            Kind::Launch => launch::figures(),
            Kind::Copy => copy::figures(self),
            Kind::Product => product::figures(self),
            Kind::Environment => environment::figures(self),
            Kind::Inference => self.sized(kind, "environments", inference::step),
            Kind::Update => self.sized(kind, "samples", update::step),
            Kind::Training => training::figures(self),
            Kind::DeviceTime => device_time::figures(self),
        }
    }

    /// Returns the figures of a kind for all numbers of environments and all widths.
    fn sized(&self, kind: Kind, rows: &str, step: fn(&Device, Size) -> Result<Step>) -> Vec<Planned> {
        let sizes = self.widths.iter().flat_map(|&width| self.envs.iter().map(move |&envs| Size { envs, width }));
        let planned = |size: Size| Planned {
            kind,
            name: size.named(rows),
            size: Some(size),
            amount: size.envs as f64,
            cost: (size.envs * size.width * size.width) as f64,
            method: Method::Measure(Box::new(move |device| Ok(repeated(device, step(device, size)?)))),
        };
        sizes.map(planned).collect()
    }
}

/// One iteration of a figure.
type Step = Box<dyn FnMut() -> Result<()> + Send>;

impl Size {
    /// Returns the name of a figure of this size.
    fn named(self, rows: &str) -> String {
        format!("{} {rows}, width {}", grouped(self.envs), self.width)
    }
}

/// Creates the specification of the environment, and networks with two hidden layers of that width.
fn networks(device: &Device, width: usize) -> Result<(EnvSpec, ActorCritic)> {
    let spec = spec(ENV)?;
    let shape = NetworkSpec { hidden_sizes: vec![width; 2], ..NetworkSpec::default() };
    let policy = ActorCritic::new(&spec, &shape, &mut EnvRng::new(1), device)?;
    Ok((spec, policy))
}

/// Returns random numbers of a standard normal distribution.
#[allow(clippy::cast_possible_truncation)] // to float32
fn random(len: usize) -> Vec<f32> {
    let mut rng = EnvRng::new(1);
    (0..len).map(|_| rng.normal() as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_a_kind_have_different_names_and_the_quick_grid_is_smaller() {
        for backend in Backend::ALL {
            let [quick, full] = [true, false].map(|quick| Grid::new(backend, quick).figures());
            for figures in [&quick, &full] {
                let mut names: Vec<_> = figures.iter().map(|figure| (figure.kind.title(), &figure.name)).collect();
                names.sort();
                names.dedup();
                assert_eq!(names.len(), figures.len());
            }
            assert!(quick.len() < full.len());
        }
    }
}
