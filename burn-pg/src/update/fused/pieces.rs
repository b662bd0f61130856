//! Pieces of the parameters, which different threads improve at the same time.

use std::ops::Range;

use burn::tensor::Element;

use super::networks::{Networks, Which};
use crate::{
    kernel::host::{Layer, Real, add_rows, dot_product, optim::scale},
    optim::HostOptimiser,
};

/// Some consecutive parameters, with their gradient and the state of the optimiser.
pub(super) struct Piece<T> {
    parameters: Vec<T>,
    pub gradient: Vec<T>,
    /// The sum of the squares of the gradient.
    pub squares: T,
    optimiser: HostOptimiser<T>,
    range: Range<usize>,
    owner: Owner<T>,
}

/// What parameters belong to.
enum Owner<T> {
    /// A layer of one of the groups of networks, and a copy of it with the parameters.
    Layer { group: usize, which: Which, index: usize, layer: Layer<T> },
    /// The head of a group.
    Head { group: usize },
    /// Networks that no term needs.
    Nobody,
}

impl<T: Real + Element> Piece<T> {
    /// Cuts parameters into those of each layer, those of the head, and others. Loads them into the networks.
    pub fn cut(parameters: &[T], optimiser: &HostOptimiser<T>, groups: &mut [Networks<T>]) -> Vec<Self> {
        let mut owners: Vec<(Range<usize>, Owner<T>)> = Vec::new();
        for (group, networks) in groups.iter().enumerate() {
            for (which, index, range) in networks.layers() {
                let layer = networks.layer(which, index).clone();
                owners.push((range, Owner::Layer { group, which, index, layer }));
            }
            owners.extend(networks.head_range().map(|range| (range, Owner::Head { group })));
        }
        owners.sort_by_key(|(range, _)| range.start);
        let mut all = Vec::new();
        for (range, owner) in owners {
            let end = all.last().map_or(0, |(range, _): &(Range<usize>, _)| range.end);
            all.push((end..range.start, Owner::Nobody));
            all.push((range, owner));
        }
        let end = all.last().map_or(0, |(range, _)| range.end);
        all.push((end..parameters.len(), Owner::Nobody));
        let pieces = all.into_iter().filter(|(range, _)| !range.is_empty()).map(|(range, owner)| {
            let mut piece = Self {
                parameters: parameters[range.clone()].to_vec(),
                gradient: vec![T::zero(); range.len()],
                squares: T::zero(),
                optimiser: optimiser.part(range.clone()),
                range,
                owner,
            };
            piece.load();
            piece.install(groups);
            piece
        });
        pieces.collect()
    }

    /// Returns all parameters (shape `[P]`) and the optimiser of them.
    ///
    /// # Panics
    /// If there are no pieces.
    pub fn join(pieces: Vec<Self>) -> (Vec<T>, HostOptimiser<T>) {
        let len = pieces.iter().map(|piece| piece.parameters.len()).sum();
        let mut parameters = Vec::with_capacity(len);
        let mut optimiser = pieces.first().expect("a policy has parameters").optimiser.empty(len);
        for piece in pieces {
            parameters.extend(piece.parameters);
            optimiser.append(piece.optimiser);
        }
        (parameters, optimiser)
    }

    /// Adds up the gradients of the tasks of its group, in order. `gradients` returns those of the layers of a group, and
    /// those of its head.
    pub fn add<'a, I: Iterator<Item = [&'a [T]; 2]>>(
        &mut self,
        groups: &[Networks<T>],
        gradients: impl Fn(usize) -> I,
    ) {
        let Self { gradient, range, .. } = self;
        gradient.fill(T::zero());
        match self.owner {
            Owner::Layer { group, .. } => {
                let start = groups[group].range.start;
                gradients(group)
                    .for_each(|[layers, _]| add_rows(&layers[range.start - start..range.end - start], gradient));
            }
            Owner::Head { group } => gradients(group).for_each(|[_, head]| add_rows(head, gradient)),
            Owner::Nobody => {}
        }
        self.squares = dot_product(gradient, gradient);
    }

    /// Replaces the gradient by the next numbers.
    pub fn set_gradient(&mut self, numbers: &mut impl Iterator<Item = T>) {
        self.gradient.iter_mut().zip(numbers).for_each(|(value, number)| *value = number);
        self.squares = dot_product(&self.gradient, &self.gradient);
    }

    /// Scales the gradient, and takes a step.
    pub fn step(&mut self, factor: Option<T>, learning_rate: f64) {
        if let Some(factor) = factor {
            scale(&mut self.gradient, factor);
        }
        self.optimiser.step(learning_rate, &mut self.parameters, &self.gradient);
        self.load();
    }

    /// Gives the networks the parameters, in exchange for those before.
    pub fn install(&mut self, groups: &mut [Networks<T>]) {
        match &mut self.owner {
            Owner::Layer { group, which, index, layer } => {
                std::mem::swap(groups[*group].layer_mut(*which, *index), layer);
            }
            Owner::Head { group } => groups[*group].load_head(&self.range, &self.parameters),
            Owner::Nobody => {}
        }
    }

    fn load(&mut self) {
        if let Owner::Layer { layer, .. } = &mut self.owner {
            layer.load(&self.parameters);
        }
    }
}
