//! The file that a simulation is drawn to: what can be wrong with it is told before anything is played.

use std::fs;
use std::io;
use std::path::Path;

use anyhow::{Context, bail};

use crate::simulate::contest::Contest;
use crate::simulate::plot;

/// A file to draw to.
#[derive(Debug)]
pub(super) struct Picture<'a> {
    path: &'a Path,
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Svg,
    Html,
}

impl<'a> Picture<'a> {
    /// For so many traces; an SVG holds one.
    ///
    /// # Errors
    /// Where its name says no format, its format does not hold as many, or it cannot be written.
    pub(super) fn of(path: &'a Path, traces: usize) -> anyhow::Result<Picture<'a>> {
        let shown = path.display();
        let format = match path.extension().and_then(|extension| extension.to_str()) {
            Some("svg") => Format::Svg,
            Some("html") => Format::Html,
            _ => bail!("{shown}: a plot is written to a file that ends in .svg or .html"),
        };
        if format == Format::Svg && traces > 1 {
            bail!("{shown}: an .svg holds one trace, not {traces}: name an .html");
        }
        try_writing(path).with_context(|| cannot_be_written(path))?;
        Ok(Picture { path, format })
    }

    /// Draws the first policy of each trace.
    pub(super) fn draw(&self, contests: &[(String, Contest)]) -> anyhow::Result<()> {
        let mut pictures = Vec::new();
        for (name, contest) in contests {
            if let (Some(score), Some(course)) = (contest.scores.first(), contest.courses.first()) {
                let title = format!("{name}: {}, R = {:.2}", score.policy, score.r20);
                pictures.push(plot::svg(&title, &contest.load, course));
            }
        }
        let text = match self.format {
            Format::Svg => pictures.concat(),
            Format::Html => plot::html("reshard simulate", &pictures),
        };
        fs::write(self.path, text).with_context(|| cannot_be_written(self.path))
    }
}

fn cannot_be_written(path: &Path) -> String {
    format!("{}: cannot be written", path.display())
}

/// Whether the file can be written; what is there stays as it is, and nothing is left where nothing was.
fn try_writing(path: &Path) -> io::Result<()> {
    match fs::File::create_new(path) {
        Ok(_) => fs::remove_file(path),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            fs::File::options().append(true).open(path).map(drop)
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whether_a_file_can_be_written_is_found_out_without_a_trace() {
        let folder = tempfile::tempdir().expect("a folder");
        let (new, old) = (folder.path().join("new.svg"), folder.path().join("old.html"));
        fs::write(&old, "a picture of before").expect("written");
        assert!(Picture::of(&new, 1).is_ok() && Picture::of(&old, 2).is_ok());
        assert!(!new.exists());
        assert_eq!(fs::read_to_string(&old).expect("still there"), "a picture of before");
        fs::create_dir(&new).expect("made");
        assert!(Picture::of(&new, 1).is_err(), "a folder is no file");
    }
}
