//! What is printed: a table, or one JSON object.

use std::io::{self, Write};

use serde::Serialize;

use super::codecs::Coded;
use super::compared::Compared;
use super::costs::Cost;
use super::measures::Quality;

#[derive(Serialize)]
pub struct Report {
    pub queries: usize,
    pub documents: usize,
    pub dtype: &'static str,
    pub approaches: Vec<Row>,
    pub compared: Vec<Compared>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub codecs: Vec<Coded>,
}

/// An approach in the table, and what its last stage takes.
#[derive(Serialize)]
pub struct Row {
    pub approach: String,
    #[serde(flatten)]
    pub quality: Quality,
    /// Documents that the last stage ranks for a query, a mean.
    pub candidates: f64,
    #[serde(flatten)]
    pub cost: Cost,
}

impl Report {
    /// # Errors
    /// Those of stdout.
    pub fn print(&self, json: bool) -> io::Result<()> {
        let mut out = io::stdout().lock();
        if json {
            serde_json::to_writer_pretty(&mut out, self)?;
            writeln!(out)?;
        } else {
            self.table(&mut out)?;
        }
        out.flush()
    }

    fn table(&self, out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "{} queries, {} documents", self.queries, self.documents)?;
        let names = self.approaches.iter().map(|row| &row.approach);
        let names = names.chain(self.codecs.iter().map(|coded| &coded.codec));
        let width = names.map(String::len).max().unwrap_or(0).max(10);
        writeln!(
            out,
            "{:<width$} {:>8} {:>8} {:>11} {:>11} {:>13} {:>12}",
            "", "nDCG@10", "MRR@10", "Recall@100", "ms a query", "ms from texts", "bytes a doc."
        )?;
        for Row { approach, quality, cost, .. } in &self.approaches {
            let Quality { ndcg, mrr, recall } = quality;
            let cell = |value: Option<f64>, digits| {
                value.map_or("-".to_owned(), |value| format!("{value:.digits$}"))
            };
            let (ms, texts, bytes) =
                (cell(cost.ms, 2), cell(cost.ms_from_texts, 1), cell(cost.bytes, 0));
            writeln!(
                out,
                "{approach:<width$} {ndcg:>8.4} {mrr:>8.4} {recall:>11.4} {ms:>11} {texts:>13} {bytes:>12}"
            )?;
        }
        self.compared.iter().try_for_each(|other| other.print(out, width))?;
        self.codecs.iter().try_for_each(|coded| coded.print(out, width))
    }
}
