//! A builder of ONNX graphs.

use super::proto::{
    AttributeProto, DataType, DimensionProto, GraphProto, NodeProto, TensorProto, TensorShapeProto, TensorTypeProto,
    TypeProto, ValueInfoProto,
};

/// A graph to which nodes and constants are added. Each has a unique name, which the method that adds it returns.
#[derive(Default)]
pub(super) struct Builder {
    graph: GraphProto,
}

impl Builder {
    pub fn finish(self, name: &str, doc: &str) -> GraphProto {
        GraphProto { name: name.into(), doc_string: doc.into(), ..self.graph }
    }

    /// Adds an operation with one output, named `output`.
    pub fn node(&mut self, operator: &str, inputs: &[&str], integers: &[(&str, i64)], output: &str) -> String {
        self.split(operator, inputs, integers, vec![output.into()]).remove(0)
    }

    /// Adds a convolution with the same stride in both directions. `inputs` are the image, the weight and the bias.
    pub fn convolution(&mut self, inputs: &[&str], stride: usize, output: &str) -> String {
        let output = self.node("Conv", inputs, &[], output);
        let (name, ints) = ("strides".into(), vec![dimension(stride); 2]);
        let strides = AttributeProto { name, i: None, ints, r#type: AttributeProto::INTS };
        self.graph.node.last_mut().expect("it was just added").attribute.push(strides);
        output
    }

    /// Adds an operation with several outputs.
    pub fn split(
        &mut self,
        operator: &str,
        inputs: &[&str],
        integers: &[(&str, i64)],
        outputs: Vec<String>,
    ) -> Vec<String> {
        let attribute = |&(name, i): &(&str, i64)| AttributeProto {
            name: name.into(),
            i: Some(i),
            ints: Vec::new(),
            r#type: AttributeProto::INT,
        };
        self.graph.node.push(NodeProto {
            input: inputs.iter().map(ToString::to_string).collect(),
            output: outputs.clone(),
            name: format!("{}:{operator}", outputs[0]),
            op_type: operator.into(),
            attribute: integers.iter().map(attribute).collect(),
        });
        outputs
    }

    /// Splits `input` along its second dimension into parts of these lengths.
    pub fn columns(&mut self, input: &str, lengths: &[usize], name: &str) -> Vec<String> {
        if lengths.len() == 1 {
            return vec![input.into()];
        }
        let lengths: Vec<i64> = lengths.iter().map(|&length| dimension(length)).collect();
        let sizes = self.integers(&format!("{name}.sizes"), &lengths);
        let outputs = (0..lengths.len()).map(|i| format!("{name}.{i}")).collect();
        self.split("Split", &[input, &sizes], &[("axis", 1)], outputs)
    }

    pub fn floats(&mut self, name: &str, dims: &[usize], values: &[f32]) -> String {
        self.constant(name, dims, DataType::Float, values.iter().flat_map(|value| value.to_le_bytes()).collect())
    }

    pub fn doubles(&mut self, name: &str, dims: &[usize], values: &[f64]) -> String {
        self.constant(name, dims, DataType::Double, values.iter().flat_map(|value| value.to_le_bytes()).collect())
    }

    pub fn integers(&mut self, name: &str, values: &[i64]) -> String {
        let raw = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(name, &[values.len()], DataType::Int64, raw)
    }

    fn constant(&mut self, name: &str, dims: &[usize], of: DataType, raw_data: Vec<u8>) -> String {
        let dims = dims.iter().map(|&length| dimension(length)).collect();
        self.graph.initializer.push(TensorProto { dims, data_type: of.into(), name: name.into(), raw_data });
        name.into()
    }

    /// Declares an input of N rows of elements of this shape.
    pub fn input(&mut self, name: &str, of: DataType, shape: &[usize], doc: &str) -> String {
        self.graph.input.push(value(name, of, shape, doc));
        name.into()
    }

    /// Declares an output of N rows of `width` elements, or of N elements.
    pub fn output(&mut self, name: &str, of: DataType, width: Option<usize>, doc: &str) {
        self.graph.output.push(value(name, of, width.as_slice(), doc));
    }
}

fn dimension(length: usize) -> i64 {
    i64::try_from(length).expect("lengths of layers are small")
}

fn value(name: &str, of: DataType, shape: &[usize], doc: &str) -> ValueInfoProto {
    let rows = DimensionProto { dim_param: Some("N".into()), dim_value: None };
    let columns = shape.iter().map(|&length| DimensionProto { dim_value: Some(dimension(length)), dim_param: None });
    let shape = TensorShapeProto { dim: [rows].into_iter().chain(columns).collect() };
    let tensor_type = TensorTypeProto { elem_type: of.into(), shape: Some(shape) };
    ValueInfoProto {
        name: name.into(),
        r#type: Some(TypeProto { tensor_type: Some(tensor_type) }),
        doc_string: doc.into(),
    }
}
