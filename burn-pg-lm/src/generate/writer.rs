//! A transformer that reads and writes on the host, with a cache of keys and values.

use burn::tensor::Element;
use burn_pg::{
    kernel::parts::{Real, for_each},
    storage::{
        Tensors,
        tensors::{TensorsError, of_module},
    },
};

use crate::{
    Texts,
    kernel::host::{Angles, Head, Heads, Linear, Memory, Workspace, attend, gelu, norm, silu},
    model::{Family, Shape, Transformer},
};

/// A copy of the weights of a [`Transformer`] that reads and writes without tensors. On the `flex` backend it computes the same
/// bits as the transformer, however many texts are beside a text, and however its tokens are cut.
#[derive(Debug, Clone)]
pub struct Writer<T> {
    shape: Shape,
    /// Shape `[V, C]`.
    tokens: Vec<T>,
    /// Shape `[context, C]`, if positions are learned.
    positions: Option<Vec<T>>,
    angles: Option<Angles<T>>,
    blocks: Vec<Block<T>>,
    norm: Norm<T>,
    head: Head<T>,
    value: Option<Linear<T>>,
}

#[derive(Debug, Clone)]
struct Norm<T> {
    scale: Vec<T>,
    shift: Option<Vec<T>>,
}

/// A linear map, with its adapter if it has one.
#[derive(Debug, Clone)]
struct Map<T> {
    map: Linear<T>,
    adapter: Option<Adapter<T>>,
}

/// The two maps of an adapter, and what their result is multiplied by.
#[derive(Debug, Clone)]
struct Adapter<T> {
    a: Linear<T>,
    b: Linear<T>,
    scale: T,
}

impl<T: Real> Map<T> {
    /// Maps rows: from shape `[T, inputs]` to `[T, outputs]`.
    fn apply(&self, x: &[T]) -> Vec<T> {
        let mut y = self.map.apply(x);
        if let Some(Adapter { a, b, scale }) = &self.adapter {
            let added = b.apply(&a.apply(x));
            y.iter_mut().zip(added).for_each(|(y, added)| *y += added * *scale);
        }
        y
    }
}

#[derive(Debug, Clone)]
struct Block<T> {
    norm_1: Norm<T>,
    query: Map<T>,
    key: Map<T>,
    value: Map<T>,
    output: Map<T>,
    norm_2: Norm<T>,
    gate: Option<Map<T>>,
    up: Map<T>,
    down: Map<T>,
}

/// The keys and values of the tokens of a text that have been read.
#[derive(Debug, Clone)]
pub struct Cache<T> {
    len: usize,
    /// Keys and values of each block.
    blocks: Vec<Memory<T>>,
}

impl<T> Cache<T> {
    /// Returns the number of tokens that have been read.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// True if no token has been read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

/// The weights of a transformer by name.
struct Weights(Tensors);

impl Weights {
    fn take<T: Real + Element>(&mut self, name: &str) -> Option<Vec<T>> {
        self.0.remove(name)?.convert_dtype(T::DTYPE).try_into_vec().ok()
    }

    fn needed<T: Real + Element>(&mut self, name: &str) -> Vec<T> {
        self.take(name).expect("the transformer has this weight")
    }
}

impl<T: Real + Element> Writer<T> {
    /// Copies the weights of a transformer.
    ///
    /// # Errors
    /// [`TensorsError::Device`] if its device fails.
    pub fn new(model: &Transformer) -> Result<Self, TensorsError> {
        let scale = model.adapter_scale().map(T::of);
        // Frozen weights are no parameters.
        let mut weights = Weights(of_module(&model.clone().with_frozen(false))?);
        let shape = *model.shape();
        let tokens = weights.needed("tokens");
        let has_biases = shape.family == Family::Gpt2;
        let norm = |name: &str, weights: &mut Weights| Norm {
            scale: weights.needed(&format!("{name}.scale")),
            shift: has_biases.then(|| weights.needed(&format!("{name}.shift"))),
        };
        let Shape { width, hidden, heads, groups, head, .. } = shape;
        let blocks = (0..shape.blocks).map(|block| {
            let mut linear = |name: &str, outputs: usize| {
                let name = format!("blocks.{block}.{name}");
                let weight: Vec<T> = weights.needed(&format!("{name}.weight"));
                let bias = has_biases.then(|| weights.needed(&format!("{name}.bias")));
                let adapter = scale.and_then(|scale| {
                    let [a, b]: [Vec<T>; 2] =
                        [weights.take(&format!("{name}.adapter.a"))?, weights.needed(&format!("{name}.adapter.b"))];
                    let rank = b.len() / outputs;
                    Some(Adapter { a: Linear::new(&a, None, rank), b: Linear::new(&b, None, outputs), scale })
                });
                Map { map: Linear::new(&weight, bias.as_deref(), outputs), adapter }
            };
            let [query, key, value, output] = [
                linear("attention.query", heads * head),
                linear("attention.key", groups * head),
                linear("attention.value", groups * head),
                linear("attention.output", width),
            ];
            let gate = (!has_biases).then(|| linear("mlp.gate", hidden));
            let (up, down) = (linear("mlp.up", hidden), linear("mlp.down", width));
            let [norm_1, norm_2] =
                ["norm_1", "norm_2"].map(|name| norm(&format!("blocks.{block}.{name}"), &mut weights));
            Block { norm_1, query, key, value, output, norm_2, gate, up, down }
        });
        let blocks = blocks.collect();
        let last = norm("norm", &mut weights);
        let positions = has_biases.then(|| weights.needed("positions"));
        let head = match shape.tied {
            true => Head::new(&tokens, width),
            false => Head::new(&weights.needed::<T>("head"), width),
        };
        let angles = match shape.family {
            Family::Gpt2 => None,
            Family::Llama { rope_theta } => Some(Angles::new(shape.context, shape.head, rope_theta)),
        };
        Ok(Self { shape, tokens, positions, angles, blocks, norm: last, head, value: None })
    }
}

impl<T: Real> Writer<T> {
    /// Adds a value head. Shape of its weights: `[C, 1]`.
    ///
    /// # Panics
    /// If there are not C weights.
    #[must_use]
    pub fn with_value_head(self, weights: &[T]) -> Self {
        assert_eq!(weights.len(), self.shape.width, "a weight for each component of a hidden state");
        Self { value: Some(Linear::new(weights, None, 1)), ..self }
    }

    pub(super) fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Returns the number of tokens in the vocabulary.
    #[must_use]
    pub fn vocabulary(&self) -> usize {
        self.shape.vocabulary
    }

    /// Returns the most tokens of a text.
    #[must_use]
    pub fn context(&self) -> usize {
        self.shape.context
    }

    /// Returns the width of hidden states.
    #[must_use]
    pub fn width(&self) -> usize {
        self.shape.width
    }

    /// Returns an empty cache, for a text that is to be read.
    #[must_use]
    pub fn cache(&self) -> Cache<T> {
        Cache { len: 0, blocks: self.blocks.iter().map(|_| Memory::default()).collect() }
    }

    /// Reads the next tokens of texts, each with its cache. Returns the hidden state after the last token of each. Shape
    /// `[texts, C]`.
    ///
    /// # Panics
    /// If there are not as many caches as texts, a text is empty or becomes longer than the context, or a token is not in the
    /// vocabulary.
    pub fn read(&self, caches: &mut [Cache<T>], texts: &Texts) -> Vec<T> {
        assert_eq!(caches.len(), texts.len(), "one cache for each text");
        let width = self.shape.width;
        let starts: Vec<usize> = caches.iter().map(Cache::len).collect();
        let positions: Vec<usize> =
            texts.ranges().zip(&starts).flat_map(|(range, start)| *start..start + range.len()).collect();
        let mut x = Vec::with_capacity(positions.len() * width);
        texts.tokens().iter().for_each(|&token| x.extend_from_slice(row(&self.tokens, token as usize, width)));
        if let Some(learned) = &self.positions {
            for (x, &position) in x.chunks_exact_mut(width).zip(&positions) {
                x.iter_mut().zip(row(learned, position, width)).for_each(|(x, &position)| *x += position);
            }
        }
        for (index, block) in self.blocks.iter().enumerate() {
            self.take_through(block, index, &mut x, &positions, caches, texts);
        }
        for (cache, range) in caches.iter_mut().zip(texts.ranges()) {
            cache.len += range.len();
        }
        let mut last = Vec::with_capacity(texts.len() * width);
        texts.ranges().for_each(|range| last.extend_from_slice(row(&x, range.end - 1, width)));
        self.normalised(&self.norm, &last)
    }

    fn take_through(
        &self,
        block: &Block<T>,
        index: usize,
        x: &mut [T],
        positions: &[usize],
        caches: &mut [Cache<T>],
        texts: &Texts,
    ) {
        let mixed = self.attended(block, index, x, positions, caches, texts);
        add(x, &block.output.apply(&mixed));
        drop(mixed);
        let hidden = self.perceptron(block, x);
        add(x, &block.down.apply(&hidden));
    }

    /// Returns what the heads of a block see, and adds keys and values to the caches. Shapes: `x` `[T, C]`, result `[T, heads * D]`.
    fn attended(
        &self,
        block: &Block<T>,
        index: usize,
        x: &[T],
        positions: &[usize],
        caches: &mut [Cache<T>],
        texts: &Texts,
    ) -> Vec<T> {
        let Shape { heads, groups, head, .. } = self.shape;
        let heads = Heads { count: heads, groups, width: head };
        let normal = self.normalised(&block.norm_1, x);
        let [mut query, mut key, value] = [&block.query, &block.key, &block.value].map(|map| map.apply(&normal));
        if let Some(angles) = &self.angles {
            angles.rotate(&mut query, heads.queries(), positions.iter().copied(), false);
            angles.rotate(&mut key, heads.keys(), positions.iter().copied(), false);
        }
        let mut mixed = vec![T::zero(); query.len()];
        let (of_query, of_key) = (heads.queries(), heads.keys());
        let mut rest = &mut mixed[..];
        let mut tasks = Vec::with_capacity(texts.len());
        for (cache, range) in caches.iter_mut().zip(texts.ranges()) {
            let (result, after) = rest.split_at_mut(range.len() * of_query);
            rest = after;
            tasks.push((&mut cache.blocks[index], range, result));
        }
        for_each(tasks, Workspace::new, |workspace, (memory, range, result)| {
            let rows = range.start * of_key..range.end * of_key;
            memory.push(&key[rows.clone()], &value[rows], of_key);
            let queries = &query[range.start * of_query..range.end * of_query];
            attend(heads, memory, queries, workspace, result);
        });
        mixed
    }

    /// Returns the hidden layer of the perceptron of a block. Shapes: `x` `[T, C]`, result `[T, H]`.
    fn perceptron(&self, block: &Block<T>, x: &[T]) -> Vec<T> {
        let normal = self.normalised(&block.norm_2, x);
        let up = block.up.apply(&normal);
        let Some(gate) = &block.gate else {
            drop(normal);
            let [hidden, _] = gelu(&up);
            return hidden;
        };
        let gate = gate.apply(&normal);
        drop(normal);
        let [mut gated, _] = silu(&gate);
        gated.iter_mut().zip(up).for_each(|(gated, up)| *gated = *gated * up);
        gated
    }

    fn normalised(&self, of: &Norm<T>, x: &[T]) -> Vec<T> {
        norm(x, &of.scale, of.shift.as_deref(), self.shape.epsilon)
    }

    /// Returns the logits of the next token after hidden states. Shapes: `hidden` `[rows, C]`, result `[rows, V]`.
    #[must_use]
    pub fn logits(&self, hidden: &[T]) -> Vec<T> {
        self.head.logits(hidden)
    }

    /// Returns the values after hidden states, if there is a value head. Shapes: `hidden` `[rows, C]`, result `[rows]`.
    #[must_use]
    pub fn values(&self, hidden: &[T]) -> Option<Vec<T>> {
        self.value.as_ref().map(|head| head.apply(hidden))
    }
}

fn add<T: Real>(sums: &mut [T], values: &[T]) {
    sums.iter_mut().zip(values).for_each(|(sum, &value)| *sum += value);
}

/// Returns a row of an array of rows.
fn row<T>(rows: &[T], index: usize, width: usize) -> &[T] {
    &rows[index * width..(index + 1) * width]
}
