//! One cut: which parts are written anew, writing them, and the manifest that names all.

use super::rows::{Mappings, Part};
use super::stopping;
use crate::engine::Inner;
use crate::{crash, policies};
use attiva_core::config::{Connection, Segment};
use attiva_core::id::ConnectionId;
use attiva_core::model::Schema;
use attiva_core::ports::store::Kind;
use attiva_core::ports::tables::{Moment, TableFolder};
use attiva_core::tables::{
    FORMAT, Manifest, ManifestTable, Origin, Selection, Stamps, TableCut, TableFile, TableLayout, Told, restamped,
    script, selection, tables,
};
use attiva_core::{Fault, FaultKind, Millis};
use std::collections::{BTreeMap, BTreeSet};
use tokio::sync::oneshot;

/// What was taken.
pub(super) struct Taken {
    pub(super) at: Millis,
    pub(super) cut: TableCut,
    pub(super) manifest: u64,
    pub(super) files: u64,
}

/// `begun`: told once the moment has begun, and what it hangs on beside the store is known.
pub(super) fn take(
    inner: &Inner,
    folder: &dyn TableFolder,
    again: bool,
    begun: oneshot::Sender<()>,
) -> Result<Taken, Fault> {
    let before = folder.newest()?;
    let mut begun = Some(begun);
    let mut taken = None;
    inner.store.at_one_moment(&mut |moment| {
        taken = Some(at(inner, folder, before.as_ref(), moment, again, &mut begun));
        Ok(())
    })?;
    taken.unwrap_or_else(|| Err(Fault::new(FaultKind::Internal, "tables.moment", "the store has shown no moment")))
}

fn at(
    inner: &Inner,
    folder: &dyn TableFolder,
    before: Option<&Manifest>,
    moment: &dyn Moment,
    again: bool,
    begun: &mut Option<oneshot::Sender<()>>,
) -> Result<Taken, Fault> {
    let taken_at = inner.clock.now();
    let cut = moment.cut()?;
    let custom = policies::custom(inner.store.as_ref())?;
    let schema = Schema::new(&custom)
        .map_err(|_| Fault::new(FaultKind::Internal, "model.unsound", "the model cannot be used"))?;
    let mappings = mappings(inner)?;
    if let Some(begun) = begun.take() {
        let _ = begun.send(());
    }
    let layouts = tables(&schema);
    let audiences: BTreeSet<String> = super::rows::documents::<Segment>(moment, Kind::Segment)?
        .into_iter()
        .map(|segment| segment.id.to_string())
        .collect();
    let mut writing = Writing { inner, folder, before, moment, mappings, taken_at, files: 0 };
    let origins: BTreeSet<&Origin> = layouts.iter().map(|layout| &layout.origin).collect();
    let mut files: BTreeMap<&str, Vec<TableFile>> = BTreeMap::new();
    let mut stamps = BTreeMap::new();
    for origin in origins {
        let of_origin: Vec<&TableLayout> = layouts.iter().filter(|layout| layout.origin == *origin).collect();
        let chosen = selection(origin, &layouts, before, &cut, &audiences, again);
        let now = writing.origin(origin, chosen, &of_origin, &mut files)?;
        stamps.extend(now.map(|now| (origin.name().to_owned(), now)));
    }
    let tables = layouts.iter().map(|layout| {
        let mut files = files.remove(layout.name.as_str()).unwrap_or_default();
        files.sort_by_key(|file| file.part);
        ManifestTable { name: layout.name.clone(), columns: layout.columns.clone(), files }
    });
    let manifest = Manifest {
        format: FORMAT,
        number: before.map_or(0, |before| before.number) + 1,
        taken_at,
        cut,
        model_version: schema.version,
        custom_model_version: schema.custom_version,
        tables: tables.collect(),
        stamps,
        audiences,
    };
    let files = writing.files;
    if let Some(before) = before.filter(|before| before.cut == cut && before.holds_the_same(&manifest)) {
        return Ok(Taken { at: taken_at, cut, manifest: before.number, files });
    }
    crash::point("tables.written");
    folder.publish(&manifest, &script(&manifest, &schema))?;
    crash::point("tables.published");
    Ok(Taken { at: taken_at, cut, manifest: manifest.number, files })
}

/// The mappings of all streams there are.
fn mappings(inner: &Inner) -> Result<Mappings, Fault> {
    let connections = inner.all::<Connection>(Kind::Connection)?.into_iter().map(|connection| connection.id);
    let mut mappings = Mappings::new();
    for connection in connections.chain([ConnectionId::of_ingestion()]) {
        for (stream, _) in inner.store.stream_states(&connection)? {
            if let Some(mapping) = inner.catalogs.mapping(inner, &connection, &stream)? {
                mappings.insert((connection.clone(), stream), mapping);
            }
        }
    }
    Ok(mappings)
}

struct Writing<'a> {
    inner: &'a Inner,
    folder: &'a dyn TableFolder,
    before: Option<&'a Manifest>,
    moment: &'a dyn Moment,
    mappings: Mappings,
    taken_at: Millis,
    files: u64,
}

impl Writing<'_> {
    /// Writes what of an origin is to be written, and takes the rest over. Returns the stamps that the next cut goes by.
    fn origin<'n>(
        &mut self,
        origin: &Origin,
        chosen: Selection,
        layouts: &[&'n TableLayout],
        files: &mut BTreeMap<&'n str, Vec<TableFile>>,
    ) -> Result<Option<Stamps>, Fault> {
        let is_stamped = matches!(origin.told(), Told::Stamp | Told::Both);
        let stamps = match chosen {
            Selection::All | Selection::Changed { stamps: true, .. } => Some(self.moment.stamps(origin)?),
            Selection::Changed { .. } => None,
        };
        let parts = match chosen {
            Selection::All => stamps.iter().flat_map(|stamps| stamps.keys().copied()).collect(),
            Selection::Changed { feed, .. } => self.changed(origin, feed, stamps.as_ref())?,
        };
        if chosen != Selection::All {
            for layout in layouts {
                let kept = self.before.and_then(|before| before.table(&layout.name));
                let kept = kept.into_iter().flat_map(|table| &table.files).filter(|file| !parts.contains(&file.part));
                files.entry(&layout.name).or_default().extend(kept.cloned());
            }
        }
        for part in parts {
            // A page of work: what stops the host does not wait for more than that.
            if self.inner.stop.is_cancelled() {
                return Err(stopping().into());
            }
            let mut writer = Part::begin(self.folder, layouts, part);
            writer.fill(origin, part, self.moment, &self.mappings, self.taken_at)?;
            for (table, file) in writer.finish()? {
                self.files += 1;
                files.entry(table).or_default().push(file);
            }
            crash::point("tables.part");
        }
        Ok(stamps.filter(|_| is_stamped))
    }

    fn changed(&self, origin: &Origin, feed: bool, stamps: Option<&Stamps>) -> Result<BTreeSet<i64>, Fault> {
        let Some(before) = self.before else { return Ok(BTreeSet::new()) };
        let mut parts = if feed { self.moment.told(origin, &before.cut)? } else { BTreeSet::new() };
        if let Some(now) = stamps {
            let none = Stamps::new();
            parts.extend(restamped(before.stamps.get(origin.name()).unwrap_or(&none), now));
        }
        Ok(parts)
    }
}
