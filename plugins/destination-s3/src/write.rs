//! The files of a run while its rows come.

use crate::bucket::{Bucket, content_type};
use crate::config::{Config, Format, Options};
use crate::key;
use crate::render::Form;
use crate::state::{State, file_spool};
use crate::table_file;
use crate::upload::Upload;
use attiva_connector::{BatchView, Host, Outcome, Result, Run, Target};

/// What one call has to do with.
pub(crate) struct Writer<'a> {
    pub(crate) host: &'a dyn Host,
    pub(crate) config: &'a Config,
    pub(crate) run: &'a Run,
    target: &'a Target,
    options: Options,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(host: &'a dyn Host, config: &'a Config, target: &'a Target, run: &'a Run) -> Result<Self> {
        config.validate()?;
        Ok(Self { host, config, run, target, options: Options::of(target)? })
    }

    pub(crate) fn bucket(&self) -> Bucket<'a> {
        Bucket::new(self.host, self.config)
    }

    /// The key of the run's `index`th file, from 0.
    pub(crate) fn key(&self, index: u32) -> Result<String> {
        key::file_key(self.config, &self.options, self.target, self.run, index)
    }

    /// Does something with the upload of the run's `index`th file.
    pub(crate) fn at<T>(&self, index: u32, act: impl FnOnce(&Upload<'_>) -> Result<T>) -> Result<T> {
        let (bucket, key, spool) = (self.bucket(), self.key(index)?, file_spool(index));
        let content_type = content_type(self.config, self.options.format);
        act(&Upload { bucket: &bucket, run: self.run, key: &key, spool: &spool, content_type })
    }

    /// Takes a batch. A file that is full is closed when a row comes that needs the next one.
    pub(crate) fn batch(&self, state: &mut State, batch: BatchView<'_>) -> Result<Vec<Outcome>> {
        let form = self.form();
        let rows = batch.rows().len();
        let mut outcomes = Vec::with_capacity(rows);
        loop {
            let first = state.spooled == 0;
            let piece = form.piece(batch, outcomes.len(), self.options.room(state.rows), first)?;
            if !piece.group.is_empty() {
                let at = if first { table_file::MAGIC.len() as u64 } else { state.spooled };
                state.note_group(self.host, &table_file::noted(&piece.group, at))?;
            }
            state.append(self.host, &piece.bytes)?;
            state.rows += piece.rows;
            outcomes.extend(piece.outcomes);
            if outcomes.len() >= rows {
                break;
            }
            self.close(state)?;
        }
        if !self.options.is_split() {
            self.at(0, |upload| upload.send_ahead(state))?;
        }
        Ok(outcomes)
    }

    /// No row comes any more. A last file that got none is none, unless it is the only one.
    pub(crate) fn end(&self, state: &mut State) -> Result<()> {
        if state.rows == 0 && state.files > 0 {
            self.host.spool(&file_spool(state.files)).remove()?;
        } else {
            self.close(state)?;
        }
        state.ended = true;
        Ok(())
    }

    /// Makes the spool hold exactly the file: its end is written, and what a batch wrote that was never committed is cut
    /// off.
    fn close(&self, state: &mut State) -> Result<()> {
        let form = self.form();
        let mut rest = if state.spooled == 0 { form.no_rows()? } else { Vec::new() };
        if self.options.format == Format::Parquet {
            rest.extend(table_file::footer(&form, &state.groups(self.host)?)?);
        }
        state.append(self.host, &rest)?;
        state.close_file(self.host)
    }

    fn form(&self) -> Form<'_> {
        Form { config: self.config, options: &self.options, columns: &self.run.columns }
    }
}
