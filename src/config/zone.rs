//! Zones: templates, patterns, and what each role may say.

mod zonemd;

use std::collections::HashMap;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use toml::Spanned;

use super::check::Checker;
use super::problem::Problem;
use super::raw::{RawColdStart, RawConfig, RawGuard, RawLowerSerial, RawRole, RawSerial, RawZone, RawZones};
use super::{
    ColdStart, Guard, GuardAction, PeerIndex, Primary, Role, Rule, Secondary, SerialPolicy, Who, Zone,
    formula,
};
use crate::dns::Name;
use crate::limits;
use crate::reason::Reason;
use crate::replica::follow::LowerSerial;
use crate::zone::Demands;

/// The template that applies to zones which name none.
const DEFAULT_TEMPLATE: &str = "default";
/// Default of `lower_serial_after`.
const LOWER_SERIAL_AFTER: Duration = Duration::from_secs(60 * 60);

/// Turns `[[zones]]` into zones, in order: those that were read, then those of the pieces of the text that were
/// not yet. A piece that cannot be read is a problem; what is wrong in it is told when the whole is read.
pub(super) fn zones(
    checker: &mut Checker<'_>,
    raw: &RawConfig,
    known: &[Zone],
    pieces: &[Range<usize>],
) -> Vec<Zone> {
    for (name, template) in &raw.templates {
        refuse_in_template(checker, name, template);
    }
    let mut zones = Zones::default();
    let text = checker.text;
    raw.zones.iter().for_each(|entry| zones.take(checker, raw, known, entry, header_span(text, entry)));
    for piece in pieces {
        let text = text.get(piece.clone()).unwrap_or_default();
        match toml::from_str::<RawZones>(text) {
            Ok(entries) => entries.zones.iter().for_each(|entry| {
                let Range { start, end } = header_span(text, entry);
                zones.take(checker, raw, known, entry, piece.start + start..piece.start + end);
            }),
            Err(error) => {
                checker.problem(Problem::new(Reason::ConfigSyntax, piece.clone(), error.message()));
                break;
            }
        }
    }
    zones.zones
}

/// The zones so far.
#[derive(Default)]
struct Zones {
    zones: Vec<Zone>,
    indexes: HashMap<Name, usize>,
}

impl Zones {
    /// Takes one entry, whose header stands at `span`.
    fn take(
        &mut self,
        checker: &mut Checker<'_>,
        raw: &RawConfig,
        known: &[Zone],
        entry: &Spanned<RawZone>,
        span: Range<usize>,
    ) {
        let Zones { zones, indexes } = self;
        let template = template_of(checker, raw, entry.get_ref());
        let merged = Merged { zone: entry.get_ref(), template, span };
        for zone in merged.expand(checker, known) {
            match indexes.get(&zone.name).map(|index| &mut zones[*index]) {
                None => {
                    indexes.insert(zone.name.clone(), zones.len());
                    zones.push(zone);
                }
                // A zone with an entry of its own is left out of the patterns that also cover it.
                Some(_) if zone.pattern.is_some() => {}
                Some(earlier) if earlier.pattern.is_some() => *earlier = zone,
                Some(earlier) => {
                    let title = format!("the zone {} is defined twice", zone.name);
                    let hint = format!("it is also defined at {}", earlier.position);
                    let span = entry.get_ref().name.as_ref().map_or(merged.span.clone(), Spanned::span);
                    checker.problem(Problem::new(Reason::ConfigDuplicate, span, title).hint(hint));
                }
            }
        }
    }
}

fn refuse_in_template(checker: &mut Checker<'_>, name: &Spanned<String>, template: &RawZone) {
    for (key, written) in [("name", &template.name), ("template", &template.template)] {
        if let Some(written) = written {
            let title = format!("the template \"{}\" has a `{key}`", name.get_ref());
            checker.problem(Problem::new(Reason::ConfigConflict, written.span(), title));
        }
    }
}

fn template_of<'a>(checker: &mut Checker<'_>, raw: &'a RawConfig, zone: &RawZone) -> Option<&'a RawZone> {
    let find =
        |name: &str| raw.templates.iter().find(|(known, _)| known.get_ref() == name).map(|(_, zone)| zone);
    let Some(wanted) = &zone.template else { return find(DEFAULT_TEMPLATE) };
    let found = find(wanted.get_ref());
    if found.is_none() {
        let title = format!("there is no template \"{}\"", wanted.get_ref());
        let problem = Problem::new(Reason::ConfigUnknownName, wanted.span(), title);
        let names = raw.templates.keys().map(|name| name.get_ref().as_str());
        checker.problem(problem.nearest(wanted.get_ref(), names));
    }
    found
}

/// Where `[[zones]]` stands: serde's span of the table may begin after its header.
fn header_span(text: &str, entry: &Spanned<RawZone>) -> Range<usize> {
    let start = entry.span().start.min(text.len());
    if text.get(start..).is_some_and(|rest| rest.starts_with("[[")) {
        return start..start + "[[zones]]".len();
    }
    match text.get(..start).and_then(|before| before.rfind("[[")) {
        Some(at) => at..text.get(at..).and_then(|rest| rest.find('\n')).map_or(text.len(), |line| at + line),
        None => entry.span(),
    }
}

/// An entry over its template: what the entry says wins.
struct Merged<'a> {
    zone: &'a RawZone,
    template: Option<&'a RawZone>,
    span: Range<usize>,
}

impl<'a> Merged<'a> {
    fn value<T>(&self, field: impl Fn(&'a RawZone) -> &'a Option<T>) -> Option<&'a T> {
        field(self.zone).as_ref().or_else(|| self.template.and_then(|template| field(template).as_ref()))
    }

    fn expand(&self, checker: &mut Checker<'_>, known: &[Zone]) -> Vec<Zone> {
        let Some(role) = self.value(|zone| &zone.role) else {
            let problem =
                Problem::new(Reason::ConfigMissingKey, self.span.clone(), "this zone has no `role`");
            checker.problem(problem.hint("role = \"primary\" or role = \"secondary\""));
            return Vec::new();
        };
        self.refuse_other_role(checker, *role.get_ref());
        match &self.zone.name {
            Some(written) => {
                let name = checker.name(written, "zone");
                name.and_then(|name| self.zone(checker, name, None, role)).into_iter().collect()
            }
            None => self.pattern(checker, role, known),
        }
    }

    /// The zones of a pattern: every file that fits, and those whose file was there before (R09).
    fn pattern(&self, checker: &mut Checker<'_>, role: &Spanned<RawRole>, known: &[Zone]) -> Vec<Zone> {
        let file = self.value(|zone| &zone.file);
        let Some((file, (directory, before, after))) =
            file.and_then(|file| Some((file, formula::split_pattern(file.get_ref())?)))
        else {
            let title = "this entry has neither a `name` nor a pattern";
            let problem = Problem::new(Reason::ConfigMissingKey, self.span.clone(), title);
            checker.problem(
                problem.hint("name = \"example.com\", or file = \"zones/*.zone\" for all files there"),
            );
            return Vec::new();
        };
        let path = checker.join(directory);
        let here = if path.as_os_str().is_empty() { PathBuf::from(".") } else { path.clone() };
        let mut names: Vec<String> = match std::fs::read_dir(&here) {
            Ok(entries) => {
                entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect()
            }
            Err(error) => {
                let title = format!("cannot list {}: {error}", here.display());
                checker.problem(Problem::new(Reason::ConfigFiles, file.span(), title));
                return Vec::new();
            }
        };
        names.sort_unstable();
        let mut apexes = Vec::new();
        for name in names.iter().filter(|name| !formula::is_litter(name)) {
            let stem = name.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
            match stem.map(formula::zone_of_stem) {
                Some(Some(apex)) => apexes.push((apex, path.join(name))),
                Some(None) => {
                    let odd = path.join(name);
                    checker.warnings.push(format!("{} names no zone and is left out", odd.display()));
                }
                None => {}
            }
        }
        for orphan in known.iter().filter(|zone| zone.pattern.as_deref() == Some(file.get_ref())) {
            if let (Role::Primary(primary), false) =
                (&orphan.role, apexes.iter().any(|(apex, _)| *apex == orphan.name))
            {
                apexes.push((orphan.name.clone(), primary.file.clone()));
            }
        }
        let zones = apexes.into_iter();
        zones.filter_map(|(apex, found)| self.zone(checker, apex, Some((file, found)), role)).collect()
    }

    fn zone(
        &self,
        checker: &mut Checker<'_>,
        name: Name,
        found: Option<(&Spanned<String>, PathBuf)>,
        role: &Spanned<RawRole>,
    ) -> Option<Zone> {
        let pattern = found.as_ref().map(|(pattern, _)| pattern.get_ref().clone());
        let guard = self.guard(checker, *role.get_ref());
        let demands = Demands { bounds: checker.bounds, zonemd: self.zonemd(checker, *role.get_ref()) };
        let role = match role.get_ref() {
            RawRole::Primary => Role::Primary(self.primary(checker, &name, found.map(|(_, file)| file))?),
            RawRole::Secondary => Role::Secondary(self.secondary(checker, role)?),
        };
        let mut notify = self.peers(checker, |zone| &zone.notify);
        let secondaries = self.peers(checker, |zone| &zone.secondaries);
        let mut transfer = self.rules(checker, |zone| &zone.allow_transfer).unwrap_or_default();
        for (peer, text) in secondaries {
            if !notify.iter().any(|(known, _)| *known == peer) {
                notify.push((peer, text.clone()));
            }
            transfer.push(Rule { who: Who::Peer(peer), text });
        }
        Some(Zone {
            name,
            role,
            notify: notify.into_iter().map(|(peer, _)| peer).collect(),
            notify_ns: self.value(|zone| &zone.notify_ns).is_some_and(|wanted| *wanted),
            transfer,
            query: self.rules(checker, |zone| &zone.allow_query).or_else(|| checker.allow_query.clone()),
            guard,
            demands,
            pattern,
            position: checker.position(self.span.start),
        })
    }

    fn primary(&self, checker: &mut Checker<'_>, name: &Name, found: Option<PathBuf>) -> Option<Primary> {
        let file = match found {
            Some(file) => file,
            None => self.file(checker, name)?,
        };
        Some(Primary {
            file,
            serial: match self.value(|zone| &zone.serial).map(|serial| *serial.get_ref()) {
                Some(RawSerial::Increment) | None => SerialPolicy::Increment,
                Some(RawSerial::Keep) => SerialPolicy::Keep,
                Some(RawSerial::Date) => SerialPolicy::Date,
                Some(RawSerial::UnixTime) => SerialPolicy::UnixTime,
            },
            cold_start_bad_file: match self
                .value(|zone| &zone.cold_start_bad_file)
                .map(|cold| *cold.get_ref())
            {
                Some(RawColdStart::ServeLast) | None => ColdStart::ServeLast,
                Some(RawColdStart::ServFail) => ColdStart::ServFail,
            },
        })
    }

    fn guard(&self, checker: &mut Checker<'_>, role: RawRole) -> Guard {
        let percent = self.value(|zone| &zone.guard_percent);
        if let Some(percent) = percent.filter(|percent| *percent.get_ref() > 100) {
            let problem =
                Problem::new(Reason::ConfigBadValue, percent.span(), "a share is at most 100 per cent");
            checker.problem(problem);
        }
        Guard {
            action: match (self.value(|zone| &zone.guard), role) {
                (Some(RawGuard::Off), _) => GuardAction::Off,
                (Some(RawGuard::Alarm), _) | (None, RawRole::Secondary) => GuardAction::Alarm,
                (Some(RawGuard::Hold), _) | (None, RawRole::Primary) => GuardAction::Hold,
            },
            records: self.value(|zone| &zone.guard_records).copied().unwrap_or(100),
            percent: percent.map_or(30, |percent| *percent.get_ref()),
        }
    }

    fn file(&self, checker: &mut Checker<'_>, name: &Name) -> Option<PathBuf> {
        let Some(written) = self.value(|zone| &zone.file) else {
            let title = format!("the primary zone {name} has no `file`");
            let problem = Problem::new(Reason::ConfigMissingKey, self.span.clone(), title);
            checker.problem(
                problem.hint("file = \"zones/example.com.zone\", or \"zones/%s.zone\" in a template"),
            );
            return None;
        };
        if formula::split_pattern(written.get_ref()).is_some() {
            let title = "an entry with a `name` cannot have a pattern as its `file`";
            let problem = Problem::new(Reason::ConfigConflict, written.span(), title);
            checker.problem(problem.hint("write `%s` where the name of the zone belongs"));
            return None;
        }
        match formula::expand(written.get_ref(), name.as_ref()) {
            Ok(file) => Some(checker.join(&file)),
            Err(error) => {
                let title = format!("no file for the zone {name}: {error}");
                checker.problem(Problem::new(Reason::ConfigBadValue, written.span(), title));
                None
            }
        }
    }

    fn secondary(&self, checker: &mut Checker<'_>, role: &Spanned<RawRole>) -> Option<Secondary> {
        let written = self.value(|zone| &zone.primaries);
        let Some(written) = written.filter(|list| !list.get_ref().is_empty()) else {
            let span = written.map_or(role.span(), Spanned::span);
            let problem = Problem::new(Reason::ConfigMissingKey, span, "a secondary zone needs `primaries`");
            checker.problem(problem.hint("primaries = [\"NAME\"], and [peers.NAME] with its address"));
            return None;
        };
        let primaries: Vec<_> = written.get_ref().iter().filter_map(|peer| checker.peer(peer)).collect();
        let after = self.value(|zone| &zone.lower_serial_after);
        let lower =
            self.value(|zone| &zone.lower_serial).map_or(RawLowerSerial::Alert, |lower| *lower.get_ref());
        if let (Some(after), true) = (after, lower != RawLowerSerial::AcceptAfter) {
            let title = "`lower_serial_after` goes with lower_serial = \"accept_after\" only";
            checker.problem(Problem::new(Reason::ConfigConflict, after.span(), title));
        }
        if let (Some(lower), RawLowerSerial::AcceptAfter, false) = (
            self.value(|zone| &zone.lower_serial),
            lower,
            // A primary that is not defined is a problem of its own.
            primaries.len() < written.get_ref().len()
                || primaries.iter().any(|primary| checker.authenticated.contains(primary)),
        ) {
            let title = "no primary has a `key`, and only the word of one that has counts for accept_after";
            let problem = Problem::new(Reason::ConfigConflict, lower.span(), title);
            checker.problem(problem.hint("give the peer a key, or write lower_serial = \"alert\""));
        }
        let octets = self.value(|zone| &zone.transfer_octets_max).map(|octets| octets.get_ref().0);
        let records = self.value(|zone| &zone.transfer_records_max).map(|records| *records.get_ref());
        let time = self.value(|zone| &zone.transfer_time_max).map(|time| time.get_ref().0);
        Some(Secondary {
            primaries,
            ixfr: self.value(|zone| &zone.ixfr).is_none_or(|ixfr| *ixfr.get_ref()),
            lower_serial: match lower {
                RawLowerSerial::Alert => LowerSerial::Alert,
                RawLowerSerial::Never => LowerSerial::Never,
                RawLowerSerial::AcceptAfter => {
                    LowerSerial::AcceptAfter(after.map_or(LOWER_SERIAL_AFTER, |after| after.get_ref().0))
                }
            },
            transfer_octets_max: octets.unwrap_or(limits::TRANSFER_OCTETS_MAX),
            transfer_records_max: records.unwrap_or(limits::TRANSFER_RECORDS_MAX),
            transfer_time_max: time.unwrap_or(limits::TRANSFER_TIME_MAX),
        })
    }

    /// A key of the other role in the entry itself is a mistake; in a template it is not, because a
    /// template may serve both.
    fn refuse_other_role(&self, checker: &mut Checker<'_>, role: RawRole) {
        let zone = self.zone;
        fn span<T>(key: &'static str, value: &Option<Spanned<T>>) -> Option<(&'static str, Range<usize>)> {
            value.as_ref().map(|value| (key, value.span()))
        }
        let (foreign, this) = match role {
            RawRole::Primary => (
                vec![
                    span("primaries", &zone.primaries),
                    span("ixfr", &zone.ixfr),
                    span("lower_serial", &zone.lower_serial),
                    span("lower_serial_after", &zone.lower_serial_after),
                    span("transfer_octets_max", &zone.transfer_octets_max),
                    span("transfer_records_max", &zone.transfer_records_max),
                    span("transfer_time_max", &zone.transfer_time_max),
                ],
                "primary",
            ),
            RawRole::Secondary => (
                vec![
                    span("file", &zone.file),
                    span("serial", &zone.serial),
                    span("cold_start_bad_file", &zone.cold_start_bad_file),
                    span("zonemd_generate", &zone.zonemd_generate),
                    span("zonemd_force", &zone.zonemd_force),
                ],
                "secondary",
            ),
        };
        for (key, span) in foreign.into_iter().flatten() {
            let title = format!("`{key}` means nothing for a {this} zone");
            checker.problem(Problem::new(Reason::ConfigConflict, span, title));
        }
    }

    fn peers(
        &self,
        checker: &mut Checker<'_>,
        field: impl Fn(&'a RawZone) -> &'a Option<Vec<Spanned<String>>>,
    ) -> Vec<(PeerIndex, String)> {
        let written = self.value(field).into_iter().flatten();
        written.filter_map(|peer| Some((checker.peer(peer)?, peer.get_ref().clone()))).collect()
    }

    fn rules(
        &self,
        checker: &mut Checker<'_>,
        field: impl Fn(&'a RawZone) -> &'a Option<Vec<Spanned<String>>>,
    ) -> Option<Vec<Rule>> {
        Some(checker.rules(self.value(field)?))
    }
}
