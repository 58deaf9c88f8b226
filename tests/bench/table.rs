//! The figures of one shape, in the order they were taken.

/// Rows of a name and a figure.
pub(crate) struct Table {
    shape: &'static str,
    rows: Vec<(String, String)>,
}

impl Table {
    /// No figures yet.
    pub(crate) fn new(shape: &'static str) -> Self {
        Self {
            shape,
            rows: Vec::new(),
        }
    }

    /// A figure; told at once as well.
    pub(crate) fn row(&mut self, name: impl Into<String>, figure: impl Into<String>) {
        let (name, figure) = (name.into(), figure.into());
        eprintln!("{:>9}  {name}: {figure}", self.shape);
        self.rows.push((name, figure));
    }

    /// Prints the table as Markdown.
    pub(crate) fn print(&self) {
        println!("\n| {} | |\n|---|---|", self.shape);
        for (name, figure) in &self.rows {
            println!("| {name} | {figure} |");
        }
    }
}

/// `p50 / p99` of samples in milliseconds.
pub(crate) fn percentiles(mut samples_ms: Vec<f64>) -> String {
    samples_ms.sort_by(f64::total_cmp);
    let Some(last) = samples_ms.len().checked_sub(1) else {
        return "no samples".into();
    };
    let at = |percent: usize| samples_ms[(last * percent).div_ceil(100)];
    format!("{:.1} / {:.1} ms (n={})", at(50), at(99), samples_ms.len())
}
