//! The operations of CloudWatch: the shape of each request, and the call on the model that answers
//! it. The same for all three of CloudWatch's protocols.
//!
//! Shapes and constraints are those of AWS's published service model of 2010-08-01.

use jiff::Timestamp;

use super::operation::{Operation, Outcome};
use super::validation::{Pattern, Shape, optional, required};
use super::value::{Members, Value};
use crate::simulator::Cloud;
use crate::simulator::api;

/// A request that failed a constraint.
pub(super) const CONSTRAINT_CODE: &str = "ValidationError";

const NAMESPACE: Shape = Shape::Text {
    min: 1,
    max: 255,
    pattern: Some(Pattern { text: "[^:].*", matches: |text| !text.is_empty() && !text.starts_with(':') }),
};
const NAME: Shape = Shape::Text { min: 1, max: 255, pattern: None };
const ANY_TEXT: Shape = Shape::Text { min: 0, max: usize::MAX, pattern: None };
const DIMENSION_VALUE: Shape = Shape::Text { min: 1, max: 1_024, pattern: None };
const PERIOD: Shape = Shape::Integer { min: 1, max: i32::MAX as i64 };
const DIMENSION: Shape = Shape::Structure(&[required("Name", NAME), required("Value", DIMENSION_VALUE)]);
const DIMENSIONS: Shape = Shape::List { of: &DIMENSION, min: 0, max: 30 };
const DIMENSION_FILTER: Shape =
    Shape::Structure(&[required("Name", NAME), optional("Value", DIMENSION_VALUE)]);
const UNIT: Shape = Shape::Choice(&[
    "Seconds",
    "Microseconds",
    "Milliseconds",
    "Bytes",
    "Kilobytes",
    "Megabytes",
    "Gigabytes",
    "Terabytes",
    "Bits",
    "Kilobits",
    "Megabits",
    "Gigabits",
    "Terabits",
    "Percent",
    "Count",
    "Bytes/Second",
    "Kilobytes/Second",
    "Megabytes/Second",
    "Gigabytes/Second",
    "Terabytes/Second",
    "Bits/Second",
    "Kilobits/Second",
    "Megabits/Second",
    "Gigabits/Second",
    "Terabits/Second",
    "Count/Second",
    "None",
]);
const METRIC: Shape = Shape::Structure(&[
    required("Namespace", NAMESPACE),
    required("MetricName", NAME),
    optional("Dimensions", DIMENSIONS),
]);
const QUERY: Shape = Shape::Structure(&[
    required("Id", NAME),
    optional(
        "MetricStat",
        Shape::Structure(&[
            required("Metric", METRIC),
            required("Period", PERIOD),
            required("Stat", ANY_TEXT),
            optional("Unit", UNIT),
        ]),
    ),
    optional("Expression", Shape::Text { min: 1, max: 2_048, pattern: None }),
    optional("Label", ANY_TEXT),
    optional("ReturnData", Shape::Boolean),
    optional("Period", PERIOD),
]);
const DATUM: Shape = Shape::Structure(&[
    required("MetricName", NAME),
    optional("Dimensions", DIMENSIONS),
    optional("Timestamp", Shape::Timestamp),
    optional("Value", Shape::Double),
    optional(
        "StatisticValues",
        Shape::Structure(&[
            required("SampleCount", Shape::Double),
            required("Sum", Shape::Double),
            required("Minimum", Shape::Double),
            required("Maximum", Shape::Double),
        ]),
    ),
    optional("Values", NUMBERS),
    optional("Counts", NUMBERS),
    optional("Unit", UNIT),
    optional("StorageResolution", PERIOD),
]);
const NUMBERS: Shape = Shape::List { of: &Shape::Double, min: 0, max: 150 };

/// All operations that the model knows, by AWS's names.
pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "GetMetricData",
        fields: &[
            required("MetricDataQueries", Shape::List { of: &QUERY, min: 0, max: usize::MAX }),
            required("StartTime", Shape::Timestamp),
            required("EndTime", Shape::Timestamp),
            optional("NextToken", ANY_TEXT),
            optional("ScanBy", Shape::Choice(&["TimestampDescending", "TimestampAscending"])),
            optional("MaxDatapoints", PERIOD),
        ],
        call: get_metric_data,
    },
    Operation {
        name: "ListMetrics",
        fields: &[
            optional("Namespace", NAMESPACE),
            optional("MetricName", NAME),
            optional("Dimensions", Shape::List { of: &DIMENSION_FILTER, min: 0, max: 10 }),
            optional("NextToken", ANY_TEXT),
            optional("RecentlyActive", Shape::Choice(&["PT3H"])),
        ],
        call: list_metrics,
    },
    Operation {
        name: "PutMetricData",
        fields: &[
            required("Namespace", NAMESPACE),
            required("MetricData", Shape::List { of: &DATUM, min: 0, max: 1_000 }),
        ],
        call: put_metric_data,
    },
];

fn get_metric_data(cloud: &mut Cloud, request: &Members) -> Outcome {
    let query = |query: &Members| api::MetricDataQuery {
        id: text(query, "Id"),
        metric_stat: query.structure("MetricStat").and_then(|stat| {
            Some(api::MetricStat {
                metric: metric(stat.structure("Metric")?),
                period: integer(stat, "Period")?,
                stat: text(stat, "Stat"),
            })
        }),
        expression: query.text("Expression").map(str::to_owned),
        label: query.text("Label").map(str::to_owned),
        return_data: query.boolean("ReturnData"),
    };
    let reply = cloud.get_metric_data(api::GetMetricData {
        metric_data_queries: request.structures("MetricDataQueries").map(query).collect(),
        start_time: request.timestamp("StartTime").unwrap_or(Timestamp::UNIX_EPOCH),
        end_time: request.timestamp("EndTime").unwrap_or(Timestamp::UNIX_EPOCH),
        next_token: request.text("NextToken").map(str::to_owned),
        scan_by: match request.text("ScanBy") {
            Some("TimestampAscending") => api::ScanBy::TimestampAscending,
            _ => api::ScanBy::TimestampDescending,
        },
        max_datapoints: integer(request, "MaxDatapoints"),
    })?;
    let result = |result: api::MetricDataResult| {
        let members = Members::new()
            .with("Id", result.id)
            .with("Label", result.label)
            .with("Timestamps", result.timestamps.into_iter().map(Value::Timestamp).collect::<Vec<_>>())
            .with("Values", result.values.into_iter().map(Value::Double).collect::<Vec<_>>())
            .with("StatusCode", result.status_code.name());
        let messages = (!result.messages.is_empty()).then(|| messages(result.messages));
        Value::Structure(members.with_some("Messages", messages))
    };
    let results: Vec<_> = reply.metric_data_results.into_iter().map(result).collect();
    Ok(Some(
        Members::new()
            .with("MetricDataResults", results)
            .with_some("NextToken", reply.next_token)
            .with("Messages", messages(reply.messages)),
    ))
}

fn list_metrics(cloud: &mut Cloud, request: &Members) -> Outcome {
    let filter = |filter: &Members| api::DimensionFilter {
        name: text(filter, "Name"),
        value: filter.text("Value").map(str::to_owned),
    };
    let reply = cloud.list_metrics(api::ListMetrics {
        namespace: request.text("Namespace").map(str::to_owned),
        metric_name: request.text("MetricName").map(str::to_owned),
        dimensions: request.structures("Dimensions").map(filter).collect(),
        next_token: request.text("NextToken").map(str::to_owned),
    })?;
    let metric = |metric: api::Metric| {
        let dimension = |dimension: api::Dimension| {
            Value::Structure(Members::new().with("Name", dimension.name).with("Value", dimension.value))
        };
        let dimensions: Vec<_> = metric.dimensions.into_iter().map(dimension).collect();
        Value::Structure(
            Members::new()
                .with("Namespace", metric.namespace)
                .with("MetricName", metric.metric_name)
                .with("Dimensions", dimensions),
        )
    };
    let metrics: Vec<_> = reply.metrics.into_iter().map(metric).collect();
    Ok(Some(Members::new().with("Metrics", metrics).with_some("NextToken", reply.next_token)))
}

fn put_metric_data(cloud: &mut Cloud, request: &Members) -> Outcome {
    let datum = |datum: &Members| api::MetricDatum {
        metric_name: text(datum, "MetricName"),
        dimensions: dimensions(datum),
        timestamp: datum.timestamp("Timestamp"),
        value: datum.double("Value"),
        statistic_values: datum.structure("StatisticValues").map(|set| api::StatisticSet {
            sample_count: set.double("SampleCount").unwrap_or_default(),
            sum: set.double("Sum").unwrap_or_default(),
            minimum: set.double("Minimum").unwrap_or_default(),
            maximum: set.double("Maximum").unwrap_or_default(),
        }),
        values: numbers(datum, "Values"),
        counts: numbers(datum, "Counts"),
    };
    cloud.put_metric_data(api::PutMetricData {
        namespace: text(request, "Namespace"),
        metric_data: request.structures("MetricData").map(datum).collect(),
    })?;
    Ok(None)
}

fn metric(metric: &Members) -> api::Metric {
    api::Metric {
        namespace: text(metric, "Namespace"),
        metric_name: text(metric, "MetricName"),
        dimensions: dimensions(metric),
    }
}

fn dimensions(members: &Members) -> Vec<api::Dimension> {
    let dimension =
        |dimension: &Members| api::Dimension::new(text(dimension, "Name"), text(dimension, "Value"));
    members.structures("Dimensions").map(dimension).collect()
}

fn messages(messages: Vec<api::MessageData>) -> Vec<Value> {
    let message = |message: api::MessageData| {
        Value::Structure(Members::new().with("Code", message.code).with("Value", message.value))
    };
    messages.into_iter().map(message).collect()
}

/// A member that the shape requires.
fn text(members: &Members, name: &str) -> String {
    members.text(name).unwrap_or_default().to_owned()
}

fn integer(members: &Members, name: &str) -> Option<i32> {
    members.integer(name).and_then(|integer| i32::try_from(integer).ok())
}

fn numbers(members: &Members, name: &str) -> Vec<f64> {
    let number = |value: &Value| match value {
        Value::Double(double) => Some(*double),
        _ => None,
    };
    members.list(name).iter().filter_map(number).collect()
}
