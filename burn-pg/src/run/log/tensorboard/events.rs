//! The messages in an event file of TensorBoard, as far as they are used here.
//!
//! Source: `event.proto`, `summary.proto` and `histogram.proto` of TensorBoard. Tags are the field numbers of those files.

/// Number of buckets of a histogram.
const BUCKETS: usize = 30;

/// An event: the version of the file, values, or the start of a run.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Event {
    /// Seconds since 1970.
    #[prost(double, tag = "1")]
    wall_time: f64,
    /// Environment steps.
    #[prost(int64, tag = "2")]
    step: i64,
    #[prost(oneof = "What", tags = "3, 5, 7")]
    what: Option<What>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum What {
    #[prost(string, tag = "3")]
    FileVersion(String),
    #[prost(message, tag = "5")]
    Summary(Summary),
    #[prost(message, tag = "7")]
    SessionLog(SessionLog),
}

#[derive(Clone, PartialEq, prost::Message)]
struct Summary {
    #[prost(message, repeated, tag = "1")]
    value: Vec<Value>,
}

/// A value with its name.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Value {
    #[prost(string, tag = "1")]
    tag: String,
    #[prost(oneof = "Kind", tags = "2, 5")]
    kind: Option<Kind>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Kind {
    #[prost(float, tag = "2")]
    Scalar(f32),
    #[prost(message, tag = "5")]
    Histogram(Histogram),
}

#[derive(Clone, PartialEq, prost::Message)]
struct Histogram {
    #[prost(double, tag = "1")]
    min: f64,
    #[prost(double, tag = "2")]
    max: f64,
    #[prost(double, tag = "3")]
    num: f64,
    #[prost(double, tag = "4")]
    sum: f64,
    #[prost(double, tag = "5")]
    sum_squares: f64,
    /// The upper end of each bucket.
    #[prost(double, repeated, tag = "6")]
    bucket_limit: Vec<f64>,
    /// The number of values in each bucket.
    #[prost(double, repeated, tag = "7")]
    bucket: Vec<f64>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct SessionLog {
    /// 1 is the start of a run.
    #[prost(int32, tag = "1")]
    status: i32,
}

impl Event {
    /// Returns the event that every file begins with.
    pub fn first(wall_time: f64) -> Self {
        Self { wall_time, step: 0, what: Some(What::FileVersion("brain.Event:2".into())) }
    }

    /// Returns the event after which TensorBoard forgets what earlier files have from this step on.
    pub fn resumed(wall_time: f64, step: u64) -> Self {
        Self { wall_time, step: step.cast_signed(), what: Some(What::SessionLog(SessionLog { status: 1 })) }
    }

    /// Returns an event with values.
    pub fn summary(wall_time: f64, step: u64, value: Vec<Value>) -> Self {
        Self { wall_time, step: step.cast_signed(), what: Some(What::Summary(Summary { value })) }
    }
}

/// Returns a number with its name.
pub fn scalar(tag: String, value: f64) -> Value {
    #[allow(clippy::cast_possible_truncation)] // the format has single precision
    let value = value as f32;
    Value { tag, kind: Some(Kind::Scalar(value)) }
}

/// Returns the distribution of values, in buckets of equal width; `None` without values.
pub fn histogram(tag: &str, values: &[f64]) -> Option<Value> {
    let (min, max) = (values.iter().copied().reduce(f64::min)?, values.iter().copied().reduce(f64::max)?);
    let width = (max - min) / BUCKETS as f64;
    // Values that are all the same have one bucket.
    let buckets = if width > 0.0 { BUCKETS } else { 1 };
    let mut bucket = vec![0.0; buckets];
    for value in values {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // between 0 and the number of buckets
        let index = if width > 0.0 { ((value - min) / width) as usize } else { 0 };
        bucket[index.min(buckets - 1)] += 1.0;
    }
    let limit = |index: usize| if index + 1 == buckets { max } else { min + width * (index + 1) as f64 };
    let histogram = Histogram {
        min,
        max,
        num: values.len() as f64,
        sum: values.iter().sum(),
        sum_squares: values.iter().map(|value| value * value).sum(),
        bucket_limit: (0..buckets).map(limit).collect(),
        bucket,
    };
    Some(Value { tag: tag.into(), kind: Some(Kind::Histogram(histogram)) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[f64]) -> Histogram {
        match histogram("tag", values).unwrap().kind.unwrap() {
            Kind::Histogram(histogram) => histogram,
            Kind::Scalar(_) => unreachable!(),
        }
    }

    #[test]
    fn a_histogram_counts_every_value_once() {
        let found = of(&[0.0, 15.0, 15.5, 29.9, 30.0]);
        assert_eq!((found.min, found.max, found.num, found.sum), (0.0, 30.0, 5.0, 90.4));
        assert_eq!((found.bucket[0], found.bucket[15], found.bucket[29]), (1.0, 2.0, 2.0));
        assert_eq!(found.bucket.iter().sum::<f64>(), 5.0);
        assert_eq!((found.bucket_limit[0], found.bucket_limit[29]), (1.0, 30.0));
    }

    #[test]
    fn equal_values_have_one_bucket_and_no_values_have_no_histogram() {
        let found = of(&[7.0; 3]);
        assert_eq!((found.bucket, found.bucket_limit), (vec![3.0], vec![7.0]));
        assert!(histogram("tag", &[]).is_none());
    }
}
