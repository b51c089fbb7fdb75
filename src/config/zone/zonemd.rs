//! What a zone says about its ZONEMD: whether it is verified, or made (R33).

use toml::Spanned;

use super::super::check::Checker;
use super::super::problem::Problem;
use super::super::raw::{RawAlgorithm, RawRole, RawZone, RawZonemd};
use super::Merged;
use crate::limits;
use crate::reason::Reason;
use crate::zone::zonemd::{Algorithm, Making, Policy};

impl Merged<'_> {
    /// What the entry says, else what its template says. A template may serve both roles: a primary makes
    /// the ZONEMD if it says so, and a secondary verifies it.
    pub(super) fn zonemd(&self, checker: &mut Checker<'_>, role: RawRole) -> Policy {
        self.refuse_what_does_not_go_together(checker);
        let tables = [Some(self.zone), self.template];
        let mut said =
            tables.into_iter().flatten().filter_map(|table| match (&table.zonemd_generate, role) {
                (Some(algorithm), RawRole::Primary) => Some(self.making(*algorithm.get_ref())),
                _ => table.zonemd.as_ref().map(|written| verifying(*written.get_ref())),
            });
        said.next().unwrap_or_default()
    }

    fn making(&self, algorithm: RawAlgorithm) -> Policy {
        let is_forced = self.value(|zone| &zone.zonemd_force).is_some_and(|force| *force.get_ref());
        Policy::Make(Making {
            algorithm: match algorithm {
                RawAlgorithm::Sha384 => Algorithm::Sha384,
                RawAlgorithm::Sha512 => Algorithm::Sha512,
            },
            records_max: if is_forced { u64::MAX } else { limits::ZONEMD_RECORDS_MAX },
        })
    }

    fn refuse_what_does_not_go_together(&self, checker: &mut Checker<'_>) {
        let RawZone { zonemd, zonemd_generate, zonemd_force, .. } = self.zone;
        let verifies = zonemd.as_ref().is_some_and(|zonemd| !matches!(zonemd.get_ref(), RawZonemd::Off));
        if let (Some(generate), true) = (zonemd_generate, verifies) {
            let title = "a ZONEMD is either verified or made here";
            let problem = Problem::new(Reason::ConfigConflict, generate.span(), title);
            checker.problem(problem.hint("`zonemd_generate` replaces what `zonemd` would verify"));
        }
        let generate = self.value(|zone| &zone.zonemd_generate).map(Spanned::get_ref);
        if let (Some(force), None) = (zonemd_force, generate) {
            let title = "`zonemd_force` goes with `zonemd_generate` only";
            checker.problem(Problem::new(Reason::ConfigConflict, force.span(), title));
        }
    }
}

fn verifying(written: RawZonemd) -> Policy {
    match written {
        RawZonemd::Off => Policy::Off,
        RawZonemd::IfPresent => Policy::IfPresent,
        RawZonemd::Require => Policy::Require,
    }
}
