//! `[limits]`: how large the parts of a zone may be, whoever it comes from.

use super::check::Checker;
use super::problem::Problem;
use super::raw::RawLimits;
use crate::limits;
use crate::reason::Reason;
use crate::zone::Bounds;

impl Checker<'_> {
    /// `[limits]`.
    pub(super) fn limits(&mut self, raw: &RawLimits) -> Bounds {
        let usual = Bounds::default();
        if let Some(labels) =
            raw.labels_per_name_max.as_ref().filter(|labels| *labels.get_ref() > limits::LABELS_PER_NAME_MAX)
        {
            let title = format!("a name never has more than {} labels", limits::LABELS_PER_NAME_MAX);
            self.problem(Problem::new(Reason::ConfigBadValue, labels.span(), title));
        }
        Bounds {
            records_per_type: self.at_least_one(
                "records_per_type_max",
                &raw.records_per_type_max,
                usual.records_per_type,
            ),
            types_per_name: self.at_least_one(
                "types_per_name_max",
                &raw.types_per_name_max,
                usual.types_per_name,
            ),
            labels_per_name: self.at_least_one(
                "labels_per_name_max",
                &raw.labels_per_name_max,
                usual.labels_per_name,
            ),
        }
    }
}
