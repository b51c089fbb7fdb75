//! What a whole version says about itself: rules that no single record can break.
//!
//! Errors are what no server could serve in one sense only (RFC 1034 §3.6.2, RFC 2181 §10.1,
//! RFC 6672 §2.4); everything that works but is likely a slip is a warning. Each record is looked at
//! once; names outside of the zone are never looked up. Rules about one record's own form are in
//! `dns::rdata`; the one SOA is the builder's business. [`check_again`] finds the same after a change
//! by looking only at what the change may have touched, so nothing that is found may depend on the
//! form of the tree or on the order of a file: names are said in lower case.

mod again;

use super::demands::Bounds;
use super::digest::Digest;
use super::text::Severity;
use super::zonemd::Flaw;
use super::{Denial, Found, Node, Version};
use crate::dns::soa::Soa;
use crate::dns::{Name, NameRef, RecordType, Serial, rdata};
use crate::limits::FINDINGS_KEPT_MAX;
use crate::reason::Reason;

pub use again::{References, check_again};

/// Something wrong with a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Errors keep a file from being served.
    pub severity: Severity,
    /// The code.
    pub reason: Reason,
    /// Owner of the record that is meant, in lower case.
    pub owner: Name,
    /// Type of the record that is meant.
    pub rtype: RecordType,
    /// RDATA of the record that is meant; `None` if any of that owner and type will do.
    pub rdata: Option<Box<[u8]>>,
    /// A sentence without a full stop.
    pub message: String,
    /// How to mend it.
    pub hint: Option<String>,
}

/// All that was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// By owner and type; the first `FINDINGS_KEPT_MAX` errors and as many warnings.
    pub list: Vec<Finding>,
    /// All errors, the ones not listed too.
    pub errors: u64,
    /// All warnings, the ones not listed too.
    pub warnings: u64,
}

/// What was found of which version: kept while it is live, for [`check_again`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Review {
    serial: Serial,
    digest: Digest,
    findings: Findings,
}

impl Review {
    /// `findings` are what [`check`] says of `version`, whatever serial it was checked under. `None`
    /// for a small zone, which is checked whole each time.
    pub fn new(version: &Version, findings: Findings) -> Option<Review> {
        let (serial, digest) = (version.serial(), version.digest());
        version.is_compared_by_page().then_some(Review { serial, digest, findings })
    }

    /// What was found, if it was this version.
    pub fn of(&self, version: &Version) -> Option<&Findings> {
        (self.serial == version.serial() && self.digest == version.digest()).then_some(&self.findings)
    }
}

/// Checks a version.
pub fn check(version: &Version, bounds: &Bounds) -> Findings {
    let mut check = Check::new(version, bounds);
    check.zone();
    version.nodes().for_each(|node| check.node(node));
    check.finish()
}

impl Findings {
    /// Whether all that was found is in the list.
    fn are_complete(&self) -> bool {
        self.errors.max(self.warnings) <= FINDINGS_KEPT_MAX as u64
    }

    fn add(&mut self, finding: Finding) {
        match finding.severity {
            Severity::Error => self.errors += 1,
            Severity::Warning => self.warnings += 1,
        }
        self.list.push(finding);
        if self.list.len() >= 4 * FINDINGS_KEPT_MAX {
            self.settle();
        }
    }

    /// Adds what is wrong with the ZONEMD, which only the whole zone shows.
    pub(super) fn object(&mut self, version: &Version, flaw: Flaw) {
        self.add(Finding {
            severity: Severity::Error,
            reason: Reason::ZoneDigest,
            owner: version.apex().to_lowercase(),
            rtype: flaw.rtype(),
            rdata: None,
            message: flaw.to_string(),
            hint: Some(flaw.hint().to_owned()),
        });
    }

    /// Pages come in the order of a hash; people and tests want one that stays, and the bound too
    /// must fall on the same findings whatever their order.
    fn settle(&mut self) {
        self.list.sort_by(|a, b| (&a.owner, a.rtype).cmp(&(&b.owner, b.rtype)));
        let (mut errors, mut warnings) = (0, 0);
        self.list.retain(|finding| {
            let count = match finding.severity {
                Severity::Error => &mut errors,
                Severity::Warning => &mut warnings,
            };
            *count += 1;
            *count <= FINDINGS_KEPT_MAX
        });
    }
}

/// Types whose names must have addresses of their own.
const POINTING: [RecordType; 3] = [RecordType::NS, RecordType::MX, RecordType::SRV];

struct Check<'v> {
    version: &'v Version,
    bounds: Bounds,
    findings: Findings,
}

/// What the zone knows about the name that a record points to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Target {
    /// It has an address here, or it is not for this zone to say.
    Good,
    /// It is an alias.
    Alias,
    /// It would have to have an address in this zone, and has none.
    Bare,
    /// It lies below this cut and has no glue.
    NoGlue,
}

impl<'v> Check<'v> {
    fn new(version: &'v Version, bounds: &Bounds) -> Check<'v> {
        Check { version, bounds: *bounds, findings: Findings::default() }
    }

    fn finish(mut self) -> Findings {
        self.findings.settle();
        self.findings
    }

    /// What the zone as a whole must have.
    fn zone(&mut self) {
        self.apex();
        self.timers();
        self.proofs();
    }

    /// What one name shows.
    fn node(&mut self, node: Node<'v>) {
        self.alias(node);
        self.delegation(node);
        self.targets(node);
        self.occluded(node);
        self.bounds(node);
    }

    fn add(
        &mut self,
        severity: Severity,
        reason: Reason,
        node: Node<'_>,
        rtype: RecordType,
        message: String,
        hint: &str,
    ) {
        let hint = (!hint.is_empty()).then(|| hint.to_owned());
        self.findings.add(Finding { severity, reason, owner: said(node), rtype, rdata: None, message, hint });
    }

    fn warn(&mut self, reason: Reason, node: Node<'_>, rtype: RecordType, message: String, hint: &str) {
        self.add(Severity::Warning, reason, node, rtype, message, hint);
    }

    fn error(&mut self, reason: Reason, node: Node<'_>, rtype: RecordType, message: String, hint: &str) {
        self.add(Severity::Error, reason, node, rtype, message, hint);
    }

    /// The apex has name servers (RFC 1035 §5.2).
    fn apex(&mut self) {
        let node = self.version.apex_node();
        if !node.has(RecordType::NS) {
            let message = "the zone has no NS record at its apex".to_owned();
            self.error(
                Reason::ZoneNs,
                node,
                RecordType::SOA,
                message,
                "add `@ NS` records for its name servers",
            );
        }
    }

    /// The timers of the SOA make sense together (RFC 1912 §2.2).
    fn timers(&mut self) {
        let record = self.version.soa();
        let node = self.version.apex_node();
        let Some(soa) = Soa::from_rdata(record.rdata) else { return };
        let Soa { refresh, retry, expire, minimum, .. } = soa;
        let mut warn =
            |message: String, hint| self.warn(Reason::ZoneTimers, node, RecordType::SOA, message, hint);
        if u64::from(expire) < u64::from(refresh) + u64::from(retry) {
            let hint = "a secondary that misses one refresh would stop serving the zone";
            warn(format!("EXPIRE {expire} is less than REFRESH {refresh} + RETRY {retry}"), hint);
        }
        if retry > refresh {
            let hint = "RETRY is meant to be a fraction of REFRESH";
            warn(format!("RETRY {retry} is greater than REFRESH {refresh}"), hint);
        }
        if refresh == 0 || retry == 0 {
            warn("REFRESH or RETRY is 0".to_owned(), "");
        }
        if expire < 24 * 3600 {
            let hint = "secondaries stop serving when the primary is away for longer; 2 to 4 weeks are usual";
            warn(format!("EXPIRE {expire} is less than a day"), hint);
        }
        if minimum > 24 * 3600 {
            let hint = "MINIMUM is how long resolvers remember that a name does not exist (RFC 2308 §5)";
            warn(format!("MINIMUM {minimum} is more than a day"), hint);
        }
        if soa.rname.first_label().is_some_and(|label| label.contains(&b'@')) {
            let hint = "write the mailbox with a dot in place of the @";
            warn(format!("RNAME `{}` has an @ in its first label", soa.rname), hint);
        }
    }

    /// A signed zone can prove what does not exist, in a way that validators follow.
    fn proofs(&mut self) {
        let node = self.version.apex_node();
        if node.rrsigs(RecordType::SOA).next().is_none() {
            return;
        }
        match self.version.denial() {
            None => {
                let message = "the zone is signed, and nothing proves what does not exist in it".to_owned();
                let hint = "sign it with NSEC, or with NSEC3 and an NSEC3PARAM that has no flags";
                self.warn(Reason::ZoneProofs, node, RecordType::RRSIG, message, hint);
            }
            Some(Denial::Nsec3(chain)) if !chain.is_cheap() => {
                let message = format!("NSEC3 has {} iterations", chain.iterations());
                let hint = "validators take such a zone for unsigned; use none (RFC 9276 §3.1)";
                self.warn(Reason::ZoneProofs, node, RecordType::NSEC3PARAM, message, hint);
            }
            Some(Denial::Nsec(_) | Denial::Nsec3(_)) => {}
        }
    }

    /// A CNAME stands alone and once, a DNAME once and with nothing below it.
    fn alias(&mut self, node: Node<'v>) {
        if let Some(aliases) = node.rrset(RecordType::CNAME) {
            let harmless = |rtype| {
                matches!(rtype, RecordType::CNAME | RecordType::RRSIG | RecordType::NSEC | RecordType::KEY)
            };
            if let Some(other) = node.rrsets().find(|rrset| !harmless(rrset.rtype())) {
                let message = format!("`{}` has a CNAME and also {}", said(node), other.rtype());
                let hint = "an alias has no other data (RFC 2181 §10.1)";
                self.error(Reason::ZoneAlias, node, RecordType::CNAME, message, hint);
            }
            if aliases.len() > 1 {
                let message = format!("`{}` has {} CNAME records", said(node), aliases.len());
                self.error(Reason::ZoneAlias, node, RecordType::CNAME, message, "an alias has one target");
            }
        }
        if let Some(aliases) = node.rrset(RecordType::DNAME) {
            if aliases.len() > 1 {
                let message = format!("`{}` has {} DNAME records", said(node), aliases.len());
                self.error(
                    Reason::ZoneAlias,
                    node,
                    RecordType::DNAME,
                    message,
                    "there can be one (RFC 6672 §2.4)",
                );
            }
            if node.has_children() {
                let message = format!("names below the DNAME `{}` are never answered", said(node));
                self.warn(Reason::ZoneAlias, node, RecordType::DNAME, message, "the DNAME hides them");
            }
        }
    }

    /// Delegations: no wildcard, DS only beside NS.
    fn delegation(&mut self, node: Node<'v>) {
        if node.is_cut() && node.labels().starts_with(b"\x01*") {
            let message = format!("NS records at the wildcard `{}`", said(node));
            let hint = "what a wildcard delegation means is undefined (RFC 4592 §4.2)";
            self.warn(Reason::ZoneNs, node, RecordType::NS, message, hint);
        }
        if node.has(RecordType::DS) && !node.is_cut() {
            let message = format!("`{}` has a DS record and is no delegation", said(node));
            self.warn(
                Reason::ZoneNs,
                node,
                RecordType::DS,
                message,
                "DS belongs beside the NS records of a child zone",
            );
        }
    }

    /// Names in NS, MX and SRV have addresses of their own (RFC 2181 §10.3, RFC 2782).
    fn targets(&mut self, node: Node<'v>) {
        for rtype in POINTING {
            let Some(rrset) = node.rrset(rtype) else { continue };
            for data in rrset.records() {
                // `.` means that there is no such service (RFC 7505, RFC 2782).
                let Some(target) = rdata::additional_target(rtype, data) else { continue };
                let Some((reason, message, hint)) = self.target(node, rtype, target) else { continue };
                self.findings.add(Finding {
                    severity: Severity::Warning,
                    reason,
                    owner: said(node),
                    rtype,
                    rdata: Some(data.into()),
                    message,
                    hint: (!hint.is_empty()).then(|| hint.to_owned()),
                });
            }
            if rtype == RecordType::MX
                && rrset.len() > 1
                && rrset.records().any(|data| data.ends_with(b"\0\0\0"))
            {
                let message = format!("`{}` has the MX `.` and others", said(node));
                self.warn(
                    Reason::ZoneTarget,
                    node,
                    rtype,
                    message,
                    "`MX 0 .` says that there is no mail (RFC 7505 §3)",
                );
            }
        }
    }

    /// The code, the sentence and the hint, if something is odd about what a record points to.
    fn target(
        &self,
        node: Node<'v>,
        rtype: RecordType,
        target: NameRef<'_>,
    ) -> Option<(Reason, String, &'static str)> {
        let apex = self.version.apex();
        let prefix = target.prefix_above(apex)?;
        match self.look_up(node, rtype, target) {
            Target::Good => None,
            Target::Alias => {
                let message = format!("{rtype} points to `{target}`, which is an alias");
                Some((Reason::ZoneTarget, message, "point to the name that has the address"))
            }
            Target::Bare => {
                let message = format!("{rtype} points to `{target}`, which has no address");
                let twice = super::text::repeats_apex(prefix, apex);
                Some((Reason::ZoneTarget, message, if twice { "is a final dot missing?" } else { "" }))
            }
            Target::NoGlue => {
                let message = format!("`{target}` lies in the zone that it serves and has no address here");
                Some((Reason::ZoneGlue, message, "add its A or AAAA records as glue"))
            }
        }
    }

    fn look_up(&self, node: Node<'v>, rtype: RecordType, target: NameRef<'_>) -> Target {
        match self.version.find(target) {
            Found::Name(found) | Found::None { wildcard: Some(found), .. }
                if found.has(RecordType::CNAME) =>
            {
                Target::Alias
            }
            Found::Name(found) | Found::None { wildcard: Some(found), .. } if addressed(found) => {
                Target::Good
            }
            Found::Name(_) | Found::None { .. } => Target::Bare,
            Found::Dname(_) => Target::Alias,
            // Below a cut the child zone knows; only a name server of that very child needs glue.
            Found::Cut(cut) => {
                let own = rtype == RecordType::NS && node.labels().eq_ignore_ascii_case(cut.labels());
                let glued = || self.version.node(target).is_some_and(addressed);
                if own && !glued() { Target::NoGlue } else { Target::Good }
            }
        }
    }

    /// No name is larger than `[limits]` allows.
    fn bounds(&mut self, node: Node<'v>) {
        if let Err(excess) = self.bounds.check_name(node) {
            let hint = format!("`{}` sets how many", excess.key());
            self.error(Reason::ZoneExcess, node, excess.rtype, excess.to_string(), &hint);
        }
    }

    /// Data at or below a delegation that is never answered: all but NS, DS and addresses.
    fn occluded(&mut self, node: Node<'v>) {
        let visible = |rtype| {
            matches!(
                rtype,
                RecordType::A
                    | RecordType::AAAA
                    | RecordType::NS
                    | RecordType::NSEC
                    | RecordType::RRSIG
                    | RecordType::DS
            )
        };
        if !self.version.may_have_cuts() {
            return;
        }
        let Some(hidden) = node.rrsets().find(|rrset| !visible(rrset.rtype())) else { return };
        let rtype = hidden.rtype();
        if let Found::Cut(cut) = self.version.find(node.owner().as_ref()) {
            let message =
                format!("{rtype} of `{}` is hidden by the delegation of `{}`", said(node), said(cut));
            self.warn(Reason::ZoneNs, node, rtype, message, "it belongs in the child zone");
        }
    }
}

/// Whether a name owns an address.
fn addressed(node: Node<'_>) -> bool {
    node.has(RecordType::A) || node.has(RecordType::AAAA)
}

/// The owner as findings say it.
fn said(node: Node<'_>) -> Name {
    node.owner().as_ref().to_lowercase()
}

#[cfg(test)]
mod tests;
