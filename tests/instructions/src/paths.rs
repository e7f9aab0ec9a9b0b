//! The hot paths by name.

use crate::{crossing, deciding};
use anyhow::Result;
use clap::ValueEnum;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Path {
    /// A fresh store and instance, and one small call.
    InstantiateCall,
    /// One more call on an instance that is there.
    LaterCall,
    /// A call of the guest to the host that does next to nothing.
    HostCall,
    /// A page of 1,000 rows and twelve columns: built by a fresh instance, copied out, checked, held as Arrow arrays.
    Page,
    /// A record through a mapping of twelve expressions.
    Mapping,
    /// A row through a segment of five conditions.
    SegmentRow,
    /// Whose a changed record is that shares an address with two others.
    Identity,
}

impl Path {
    pub fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// How often it is walked, the fewer times and the more: what comes before the first time cancels out.
    pub fn times(self) -> (u64, u64) {
        match self {
            Self::Page => (5, 45),
            Self::InstantiateCall => (20, 220),
            Self::LaterCall | Self::HostCall => (500, 20_500),
            Self::Mapping | Self::SegmentRow | Self::Identity => (100, 4_100),
        }
    }

    pub fn walk(self, times: u64, place: &std::path::Path) -> Result<()> {
        match self {
            Self::InstantiateCall => crossing::instantiate_call(place, times),
            Self::LaterCall => crossing::later_call(place, times),
            Self::HostCall => crossing::host_call(place, times),
            Self::Page => crossing::page(place, times),
            Self::Mapping => deciding::mapping(times),
            Self::SegmentRow => deciding::segment_row(times),
            Self::Identity => deciding::identity(times),
        }
    }
}
