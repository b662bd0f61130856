//! An interpreter of the ONNX operators that exports use, in double precision. It is written from the specification of the
//! operators and shares no code with the library.

use std::collections::BTreeMap;

use burn_pg::agent::export::onnx::proto::{DataType, ModelProto, NodeProto, TensorProto};

/// A tensor of any type, row-major.
#[derive(Debug, Clone)]
pub struct Value {
    pub shape: Vec<usize>,
    pub numbers: Vec<f64>,
}

impl Value {
    pub fn floats(numbers: &[f32], width: usize) -> Self {
        Self {
            shape: vec![numbers.len() / width, width],
            numbers: numbers.iter().map(|&number| number.into()).collect(),
        }
    }

    pub fn flags(flags: &[bool], width: usize) -> Self {
        let numbers = flags.iter().map(|&flag| f64::from(u8::from(flag))).collect();
        Self { shape: vec![flags.len() / width, width], numbers }
    }

    fn constant(tensor: &TensorProto) -> Self {
        let raw = &tensor.raw_data;
        let of = DataType::try_from(tensor.data_type).unwrap();
        #[allow(clippy::cast_precision_loss)]
        let numbers: Vec<f64> = match of {
            DataType::Float => raw.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes).into()).collect(),
            DataType::Double => raw.as_chunks().0.iter().map(|&bytes| f64::from_le_bytes(bytes)).collect(),
            DataType::Int64 => raw.as_chunks().0.iter().map(|&bytes| i64::from_le_bytes(bytes) as f64).collect(),
            other => panic!("{other:?}"),
        };
        let shape: Vec<usize> = tensor.dims.iter().map(|&length| usize::try_from(length).unwrap()).collect();
        assert_eq!(shape.iter().product::<usize>(), numbers.len(), "{}", tensor.name);
        Self { shape, numbers }
    }

    fn map(&self, of: impl Fn(f64) -> f64) -> Self {
        Self { shape: self.shape.clone(), numbers: self.numbers.iter().map(|&number| of(number)).collect() }
    }

    fn rows(&self) -> std::slice::ChunksExact<'_, f64> {
        assert_eq!(self.shape.len(), 2);
        self.numbers.chunks_exact(self.shape[1])
    }

    /// Returns the element at an index of the shape that the tensor is broadcast to.
    fn broadcast(&self, index: &[usize]) -> f64 {
        let skipped = index.len() - self.shape.len();
        let at = self
            .shape
            .iter()
            .zip(&index[skipped..])
            .fold(0, |at, (&length, &index)| at * length + if length == 1 { 0 } else { index });
        self.numbers[at]
    }
}

/// Returns the shape that all shapes are broadcast to.
fn broadcast_shape(shapes: &[&[usize]]) -> Vec<usize> {
    let dimensions = shapes.iter().map(|shape| shape.len()).max().unwrap();
    let length = |from_last: usize| {
        let lengths = shapes.iter().filter_map(|shape| shape.len().checked_sub(from_last).map(|at| shape[at]));
        lengths.fold(1, |known, length| {
            assert!(known == 1 || length == 1 || known == length, "{shapes:?}");
            known.max(length)
        })
    };
    (1..=dimensions).rev().map(length).collect()
}

fn elementwise(values: &[&Value], of: impl Fn(&[f64]) -> f64) -> Value {
    let shapes: Vec<&[usize]> = values.iter().map(|value| value.shape.as_slice()).collect();
    let shape = broadcast_shape(&shapes);
    let index = |mut at: usize| {
        let mut index = vec![0; shape.len()];
        for (index, &length) in index.iter_mut().zip(&shape).rev() {
            (*index, at) = (at % length, at / length);
        }
        index
    };
    let number = |at: usize| of(&values.iter().map(|value| value.broadcast(&index(at))).collect::<Vec<_>>());
    let numbers = (0..shape.iter().product()).map(number).collect();
    Value { shape, numbers }
}

fn attribute(node: &NodeProto, name: &str) -> Option<i64> {
    node.attribute.iter().find(|attribute| attribute.name == name).map(|attribute| attribute.i.unwrap())
}

/// Computes the outputs of a model. Every name must be defined once, before it is used.
pub fn interpret(model: &ModelProto, inputs: BTreeMap<&str, Value>) -> BTreeMap<String, Value> {
    let graph = model.graph.as_ref().unwrap();
    let declared: Vec<&str> = graph.input.iter().map(|input| input.name.as_str()).collect();
    assert_eq!(declared.len(), inputs.len(), "{declared:?}");
    let mut known: BTreeMap<String, Value> = inputs.into_iter().map(|(name, value)| (name.into(), value)).collect();
    assert!(declared.iter().all(|name| known.contains_key(*name)), "{declared:?}");
    for tensor in &graph.initializer {
        assert!(known.insert(tensor.name.clone(), Value::constant(tensor)).is_none(), "{}", tensor.name);
    }
    for node in &graph.node {
        let values: Vec<&Value> = node.input.iter().map(|name| &known[name]).collect();
        let outputs = apply(node, &values);
        for (name, value) in node.output.iter().zip(outputs) {
            assert!(known.insert(name.clone(), value).is_none(), "{name}");
        }
    }
    graph.output.iter().map(|output| (output.name.clone(), known[&output.name].clone())).collect()
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
#[allow(clippy::too_many_lines)] // an arm for each operation
fn apply(node: &NodeProto, values: &[&Value]) -> Vec<Value> {
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    let one = match node.op_type.as_str() {
        "Identity" => values[0].clone(),
        "Cast" => match DataType::try_from(attribute(node, "to").unwrap() as i32).unwrap() {
            DataType::Float => values[0].map(|number| f64::from(number as f32)),
            DataType::Double => values[0].clone(),
            other => panic!("{other:?}"),
        },
        "Add" => elementwise(values, |v| v[0] + v[1]),
        "Sub" => elementwise(values, |v| v[0] - v[1]),
        "Mul" => elementwise(values, |v| v[0] * v[1]),
        "Div" => elementwise(values, |v| v[0] / v[1]),
        "Min" => elementwise(values, |v| v[0].min(v[1])),
        "Max" => elementwise(values, |v| v[0].max(v[1])),
        "Greater" => elementwise(values, |v| f64::from(u8::from(v[0] > v[1]))),
        "Where" => elementwise(values, |v| if v[0] == 0.0 { v[2] } else { v[1] }),
        "Clip" => {
            // Bounds are scalars.
            assert!(values[1].shape.is_empty() && values[2].shape.is_empty());
            elementwise(values, |v| v[0].max(v[1]).min(v[2]))
        }
        "Tanh" => values[0].map(f64::tanh),
        "Relu" => values[0].map(|x| x.max(0.0)),
        "Sigmoid" => values[0].map(sigmoid),
        "Softplus" => values[0].map(|x| x.max(0.0) + (-x.abs()).exp().ln_1p()),
        "Gemm" => {
            let [inputs, outputs] = values[1].shape[..] else { panic!() };
            assert_eq!((values[0].shape[1], &values[2].shape), (inputs, &vec![outputs]), "{}", node.name);
            let weight = &values[1].numbers;
            let element = |row: &[f64], output: usize| {
                row.iter().enumerate().map(|(input, x)| x * weight[input * outputs + output]).sum::<f64>()
                    + values[2].numbers[output]
            };
            let numbers =
                values[0].rows().flat_map(|row| (0..outputs).map(move |output| element(row, output))).collect();
            Value { shape: vec![values[0].shape[0], outputs], numbers }
        }
        "Conv" => {
            let [rows, inputs, height, width] = values[0].shape[..] else { panic!("{:?}", values[0].shape) };
            let [outputs, _, kernel, _] = values[1].shape[..] else { panic!("{:?}", values[1].shape) };
            let (Value { shape: _, numbers: x }, weight, bias) = (values[0], &values[1].numbers, &values[2].numbers);
            let strides = node.attribute.iter().find(|attribute| attribute.name == "strides").unwrap();
            let stride = strides.ints[0] as usize;
            assert_eq!((strides.ints[0], values[1].shape[1], kernel), (strides.ints[1], inputs, values[1].shape[3]));
            let [down, across] = [height, width].map(|length| (length - kernel) / stride + 1);
            let mut numbers = Vec::new();
            for (row, output) in (0..rows).flat_map(|row| (0..outputs).map(move |output| (row, output))) {
                for (y, x0) in (0..down).flat_map(|y| (0..across).map(move |x| (y * stride, x * stride))) {
                    let mut sum = bias[output];
                    for input in 0..inputs {
                        for i in 0..kernel {
                            for j in 0..kernel {
                                let pixel = x[((row * inputs + input) * height + y + i) * width + x0 + j];
                                sum += weight[((output * inputs + input) * kernel + i) * kernel + j] * pixel;
                            }
                        }
                    }
                    numbers.push(sum);
                }
            }
            Value { shape: vec![rows, outputs, down, across], numbers }
        }
        "Flatten" => {
            assert_eq!(attribute(node, "axis"), Some(1));
            let rows = values[0].shape[0];
            Value { shape: vec![rows, values[0].numbers.len() / rows], numbers: values[0].numbers.clone() }
        }
        "Split" => {
            assert_eq!(attribute(node, "axis"), Some(1));
            let lengths: Vec<usize> = values[1].numbers.iter().map(|&length| length as usize).collect();
            assert_eq!((lengths.iter().sum::<usize>(), lengths.len()), (values[0].shape[1], node.output.len()));
            let part = |(part, &length): (usize, &usize)| {
                let from: usize = lengths[..part].iter().sum();
                let numbers = values[0].rows().flat_map(|row| &row[from..from + length]).copied().collect();
                Value { shape: vec![values[0].shape[0], length], numbers }
            };
            return lengths.iter().enumerate().map(part).collect();
        }
        "Concat" => {
            assert_eq!(attribute(node, "axis"), Some(1));
            let rows = values[0].shape[0];
            let row = |row: usize| values.iter().flat_map(move |value| value.rows().nth(row).unwrap());
            let numbers = (0..rows).flat_map(row).copied().collect();
            Value { shape: vec![rows, values.iter().map(|value| value.shape[1]).sum()], numbers }
        }
        "ArgMax" => {
            assert_eq!((attribute(node, "axis"), attribute(node, "select_last_index")), (Some(1), Some(0)));
            let first =
                |row: &[f64]| (1..row.len()).fold(0, |best, at| if row[at] > row[best] { at } else { best }) as f64;
            let (rows, numbers) = (values[0].shape[0], values[0].rows().map(first).collect());
            let shape = if attribute(node, "keepdims") == Some(1) { vec![rows, 1] } else { vec![rows] };
            Value { shape, numbers }
        }
        "Squeeze" => {
            assert_eq!((values[0].shape[1], &values[1].numbers), (1, &vec![1.0]));
            Value { shape: vec![values[0].shape[0]], numbers: values[0].numbers.clone() }
        }
        "Shape" => Value {
            shape: vec![values[0].shape.len()],
            numbers: values[0].shape.iter().map(|&length| length as f64).collect(),
        },
        "Expand" => {
            let shape: Vec<usize> = values[1].numbers.iter().map(|&length| length as usize).collect();
            let zeros = Value { numbers: vec![0.0; shape.iter().product()], shape };
            elementwise(&[values[0], &zeros], |v| v[0])
        }
        other => panic!("no operator {other}"),
    };
    vec![one]
}
