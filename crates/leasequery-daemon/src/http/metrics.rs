//! How everything is in numbers, for Prometheus.
//!
//! Every figure of the registry is a metric, named by what it is of and by what it is called there. There are as many series as
//! the configuration has parts and requestors, however many connect.

use std::collections::BTreeMap;
use std::fmt;

use hyper::header::ACCEPT;
use hyper::{Response, StatusCode};
use leasequery_live::SharedStore;
use leasequery_live::registry::{Figure, Kind, Report, State, Value};
use leasequery_store::{Key, Store};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, NoLabelSet, prometheus_text, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::exemplar::Exemplar;
use prometheus_client::registry::{Registry, Unit};

use super::Site;
use super::answer::{self, Body};
use super::route::Ask;
use crate::around::Around;
use crate::process::Process;

/// The two formats of text. promtool refuses some of the second one, so it is for those who ask for it.
const PLAIN: &str = "text/plain; version=0.0.4; charset=utf-8";
const OPEN: &str = "application/openmetrics-text";

pub(super) fn answer(ask: &Ask) -> Response<Body> {
    let accepts = ask.head.headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let is_open = accepts.flat_map(|value| value.split(',')).any(|kind| kind.trim_start().starts_with(OPEN));
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Families::of(&ask.site)));
    let mut out = String::new();
    let (kind, encoded) = if is_open {
        ("application/openmetrics-text; version=1.0.0; charset=utf-8", text::encode(&mut out, &registry))
    } else {
        (PLAIN, prometheus_text::encode(&mut out, &registry))
    };
    match encoded {
        Ok(()) => answer::whole(StatusCode::OK, kind, out),
        Err(fmt::Error) => answer::error(StatusCode::INTERNAL_SERVER_ERROR, "it cannot be written"),
    }
}

type Labels = Vec<(&'static str, String)>;

/// How samples with the same labels become one.
#[derive(Debug, Clone, Copy)]
enum Together {
    Sum,
    Most,
    Least,
}

/// A metric with all of its series.
#[derive(Debug)]
struct Family {
    help: String,
    unit: Option<Unit>,
    counts: bool,
    series: BTreeMap<Labels, f64>,
}

/// All metrics, by their names without units.
#[derive(Debug, Default)]
struct Families(BTreeMap<String, Family>);

impl Families {
    fn of(site: &Site) -> Self {
        let mut all = Self::default();
        let Around { registry, callers, stores, .. } = &site.around;
        all.level("build_info", "The version that runs", vec![("version", env!("CARGO_PKG_VERSION").to_owned())], 1.0);
        let ready = if site.readiness.since().is_some() { 1.0 } else { 0.0 };
        all.level("ready", "Whether every source has been known as a whole", Vec::new(), ready);
        for kind in [Kind::Source, Kind::Listener, Kind::Outlet, Kind::StateDir, Kind::Certificate] {
            for report in registry.reports(kind) {
                all.part(&report);
            }
        }
        let blocks = site
            .around
            .access
            .permissions()
            .requestors
            .0
            .iter()
            .map(|block| block.policy.name.clone())
            .collect::<Vec<_>>();
        for (name, figures) in callers.figures() {
            for figure in figures {
                all.figure("requestor", &figure, vec![("requestor", name.clone())], Together::Sum);
            }
        }
        for name in blocks {
            all.level("requestor_connections", "Connections that are open", vec![("requestor", name)], 0.0);
        }
        for report in registry.reports(Kind::Requestor) {
            all.connection(&report);
        }
        all.store("v4", &stores.v4);
        all.store("v6", &stores.v6);
        for ((route, code), count) in site.answered().iter() {
            let labels = vec![("route", (*route).to_owned()), ("code", code.to_string())];
            all.add("http_requests", "Requests that were answered", None, true, labels, *count, Together::Sum);
        }
        if let Some(process) = Process::look() {
            all.process(&process);
        }
        all
    }

    /// A part: whether it is well, and its figures.
    fn part(&mut self, report: &Report) {
        let (kind, help) = match report.kind {
            Kind::Source => ("source", "Whether it is followed"),
            Kind::Listener => ("listener", "Whether it serves"),
            Kind::Requestor => ("requestor", "Whether it is served"),
            Kind::Outlet => ("outlet", "Whether it does what it should"),
            Kind::StateDir => ("state_dir", "Whether it can be written"),
            Kind::Certificate => ("certificate", "Whether it is valid"),
        };
        let mut labels = vec![(kind, report.name.clone())];
        labels.extend(report.protocol.map(|protocol| ("protocol", protocol.to_string())));
        let up = if report.condition.state == State::Well { 1.0 } else { 0.0 };
        self.level(&format!("{kind}_up"), help, labels.clone(), up);
        if report.kind == Kind::Source {
            let whole = if report.condition.state == State::Waiting { 0.0 } else { 1.0 };
            self.level("source_synced", "Whether it has been known as a whole", labels.clone(), whole);
        }
        for figure in &report.figures {
            self.figure(kind, figure, labels.clone(), Together::Sum);
        }
    }

    /// A connection, which is put together with the others of its block: how far the last of them is behind.
    fn connection(&mut self, report: &Report) {
        let labels = vec![("requestor", report.name.clone())];
        self.level("requestor_connections", "Connections that are open", labels.clone(), 1.0);
        for figure in &report.figures {
            match figure.name {
                "lag" | "behind-changes" => self.figure("requestor", figure, labels.clone(), Together::Most),
                "headroom" => self.figure("requestor", figure, labels.clone(), Together::Least),
                _ => {}
            }
        }
    }

    fn store<K: Key>(&mut self, protocol: &str, shared: &SharedStore<K>) {
        let (counts, floor) = shared.read(|store: &Store<K>| (store.counts(), store.history_floor()));
        let labels = || vec![("protocol", protocol.to_owned())];
        for (state, number) in [("active", counts.active), ("ended", counts.bindings - counts.active)] {
            let labels = labels().into_iter().chain([("state", state.to_owned())]).collect();
            self.level("bindings", "Bindings that are known", labels, number);
        }
        self.level("configured_addresses", "Addresses that are configured", labels(), counts.configured);
        let octets = Figure::new("attributes", "Octets for attributes of bindings", Value::Octets(counts.arena as u64));
        self.figure("store", &octets, labels(), Together::Sum);
        let help = "From when on the past is whole";
        self.add("history_floor_timestamp", help, Some(Unit::Seconds), false, labels(), floor.0, Together::Sum);
    }

    fn process(&mut self, process: &Process) {
        let Process { started, processor, resident, descriptors } = *process;
        for (name, help, unit, counts, value) in [
            ("process_start_time", "When it began", Unit::Seconds, false, started),
            ("process_cpu", "Processor time that it has used", Unit::Seconds, true, processor),
            ("process_resident_memory", "Memory that it occupies", Unit::Bytes, false, resident),
        ] {
            self.insert(name.to_owned(), help, Some(unit), counts, Vec::new(), value, Together::Sum);
        }
        let help = "File descriptors that are open";
        self.insert("process_open_fds".to_owned(), help, None, false, Vec::new(), descriptors, Together::Sum);
    }

    fn figure(&mut self, kind: &str, figure: &Figure, labels: Labels, together: Together) {
        let mut name = format!("{kind}_{}", figure.name.replace('-', "_"));
        let (unit, counts, value) = match &figure.value {
            Value::Count(number) => (None, true, lossy(*number)),
            Value::Level(number) => (None, false, lossy(*number)),
            Value::Seconds(seconds) => (Some(Unit::Seconds), false, *seconds),
            Value::Octets(number) => (Some(Unit::Bytes), false, lossy(*number)),
            Value::OctetCount(number) => (Some(Unit::Bytes), true, lossy(*number)),
            Value::Time(time) => {
                name += "_timestamp";
                (Some(Unit::Seconds), false, time.as_duration().as_secs_f64())
            }
            Value::Text(_) => return,
        };
        self.insert(format!("leasequery_{name}"), figure.help, unit, counts, labels, value, together);
    }

    fn level(&mut self, name: &str, help: &str, labels: Labels, value: impl Lossy) {
        self.add(name, help, None, false, labels, value, Together::Sum);
    }

    #[allow(clippy::too_many_arguments, reason = "they are what a sample is")]
    fn add(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<Unit>,
        counts: bool,
        labels: Labels,
        value: impl Lossy,
        together: Together,
    ) {
        self.insert(format!("leasequery_{name}"), help, unit, counts, labels, value.lossy(), together);
    }

    #[allow(clippy::too_many_arguments, reason = "they are what a sample is")]
    fn insert(
        &mut self,
        name: String,
        help: &str,
        unit: Option<Unit>,
        counts: bool,
        labels: Labels,
        value: f64,
        together: Together,
    ) {
        let new = || Family { help: help.to_owned(), unit, counts, series: BTreeMap::new() };
        let series = &mut self.0.entry(name).or_insert_with(new).series;
        let found = series.get(&labels).copied();
        let value = match (found, together) {
            (None, _) => value,
            (Some(found), Together::Sum) => found + value,
            (Some(found), Together::Most) => found.max(value),
            (Some(found), Together::Least) => found.min(value),
        };
        series.insert(labels, value);
    }
}

impl Collector for Families {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for (name, family) in &self.0 {
            let kind = if family.counts { MetricType::Counter } else { MetricType::Gauge };
            let mut metric = encoder.encode_descriptor(name, &family.help, family.unit.as_ref(), kind)?;
            for (labels, value) in &family.series {
                let labels = Set(labels);
                let mut series = metric.encode_family(&labels)?;
                if family.counts {
                    series.encode_counter(value, None::<&Exemplar<NoLabelSet, f64>>)?;
                } else {
                    series.encode_gauge(value)?;
                }
            }
        }
        Ok(())
    }
}

/// The labels of a series.
struct Set<'a>(&'a Labels);

impl EncodeLabelSet for Set<'_> {
    fn encode(&self, encoder: &mut prometheus_client::encoding::LabelSetEncoder<'_>) -> fmt::Result {
        self.0.iter().map(|(name, value)| (*name, value.as_str())).collect::<Vec<_>>().encode(encoder)
    }
}

/// A number as Prometheus has them.
trait Lossy {
    fn lossy(self) -> f64;
}

#[allow(clippy::cast_precision_loss, reason = "Prometheus has no other numbers")]
fn lossy(number: u64) -> f64 {
    number as f64
}

impl Lossy for f64 {
    fn lossy(self) -> f64 {
        self
    }
}

impl Lossy for u64 {
    fn lossy(self) -> f64 {
        lossy(self)
    }
}

impl Lossy for u32 {
    fn lossy(self) -> f64 {
        self.into()
    }
}

impl Lossy for usize {
    fn lossy(self) -> f64 {
        lossy(self as u64)
    }
}
