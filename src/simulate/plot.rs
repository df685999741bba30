//! A course as a picture: load and shards, what was rejected, and the steps, over time. SVG, by itself
//! or in an HTML page.

use std::fmt::Write as _;

use super::course::Course;
use super::load::Load;

/// Points in time that a picture shows: each stands for a stretch of ticks.
const POINTS: usize = 1_200;
const LEFT: f64 = 60.0;
const WIDTH: f64 = 1_200.0;

/// One of the pictures above one another.
struct Panel {
    top: f64,
    height: f64,
    label: &'static str,
    highest: f64,
}

const HEIGHT: f64 = 640.0;

/// The stretches of ticks, from and to.
fn stretches(ticks: usize) -> Vec<(usize, usize)> {
    let points = POINTS.min(ticks).max(1);
    (0..points).map(|point| (point * ticks / points, ((point + 1) * ticks / points).min(ticks))).collect()
}

/// The picture.
pub fn svg(title: &str, load: &Load, course: &Course) -> String {
    let ticks = course.shards.len();
    let stretches = stretches(ticks);
    let hours = f64::from(load.tick_seconds()) / 3_600.0;
    let most = |values: &dyn Fn(usize) -> f64| -> Vec<f64> {
        stretches.iter().map(|(from, to)| (*from..*to).map(values).fold(0.0, f64::max)).collect()
    };
    let sum = |values: &dyn Fn(usize) -> f64| -> Vec<f64> {
        stretches.iter().map(|(from, to)| (*from..*to).map(values).sum()).collect()
    };
    let mut changes = vec![0.0; ticks];
    for at in course.steps.iter().chain(&course.updates) {
        if let Some(change) = changes.get_mut(*at as usize) {
            *change += 1.0;
        }
    }
    let units = most(&|tick| load.totals()[tick]);
    let shards = most(&|tick| f64::from(course.shards[tick]));
    let rejected = sum(&|tick| f64::from(course.rejected[tick]) * hours);
    let steps = sum(&|tick| changes[tick]);
    let highest = |values: &[f64]| values.iter().copied().fold(1e-9, f64::max);
    let above = Panel {
        top: 50.0,
        height: 330.0,
        label: "shards (blue), load in shard-units (orange)",
        highest: highest(&units).max(highest(&shards)),
    };
    let middle =
        Panel { top: 420.0, height: 80.0, label: "rejected, shard-unit-hours", highest: highest(&rejected) };
    let below = Panel { top: 540.0, height: 60.0, label: "steps", highest: highest(&steps) };

    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"{LEFT}\" y=\"24\" font-size=\"16\">{}</text>\n",
        LEFT + WIDTH + 20.0,
        escaped(title)
    );
    for panel in [&above, &middle, &below] {
        panel.frame(&mut svg);
    }
    above.line(&mut svg, &units, "#e67e22");
    above.line(&mut svg, &shards, "#2266aa");
    middle.line(&mut svg, &rejected, "#c0392b");
    below.line(&mut svg, &steps, "#555555");
    let days = ticks as f64 * hours / 24.0;
    let _never_fails = write!(
        svg,
        "<text x=\"{LEFT}\" y=\"{}\">{}</text>\n<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{days:.1} days later</text>\n</svg>\n",
        HEIGHT - 12.0,
        load.start(),
        LEFT + WIDTH,
        HEIGHT - 12.0,
    );
    svg
}

/// A page with pictures.
pub fn html(title: &str, pictures: &[String]) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>{}</title>\n<body>\n{}</body>\n</html>\n",
        escaped(title),
        pictures.concat()
    )
}

impl Panel {
    fn frame(&self, svg: &mut String) {
        let Panel { top, height, label, highest } = self;
        // What is little is not nothing.
        let decimals =
            if (f64::MIN_POSITIVE..0.1).contains(highest) { 1 - highest.log10().floor() as i32 } else { 1 };
        let decimals = usize::try_from(decimals).unwrap_or(1);
        let _never_fails = write!(
            svg,
            "<text x=\"{LEFT}\" y=\"{}\" fill=\"#333\">{label}</text>\n\
             <rect x=\"{LEFT}\" y=\"{top}\" width=\"{WIDTH}\" height=\"{height}\" fill=\"none\" stroke=\"#bbb\"/>\n\
             <text x=\"{}\" y=\"{}\" text-anchor=\"end\">{highest:.decimals$}</text>\n\
             <text x=\"{}\" y=\"{}\" text-anchor=\"end\">0</text>\n",
            top - 6.0,
            LEFT - 6.0,
            top + 10.0,
            LEFT - 6.0,
            top + height,
        );
    }

    fn line(&self, svg: &mut String, values: &[f64], color: &str) {
        let mut points = String::new();
        for (at, value) in values.iter().enumerate() {
            let x = LEFT + (at as f64 + 0.5) / values.len() as f64 * WIDTH;
            let y = self.top + self.height * (1.0 - value / self.highest);
            let _never_fails = write!(points, "{x:.1},{y:.1} ");
        }
        let _never_fails =
            writeln!(svg, "<polyline points=\"{}\" fill=\"none\" stroke=\"{color}\"/>", points.trim_end());
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_little_is_not_told_as_nothing() {
        for (highest, told) in [(60.0, ">60.0<"), (0.1, ">0.1<"), (0.0026, ">0.0026<"), (0.0, ">0.0<")] {
            let mut svg = String::new();
            Panel { top: 0.0, height: 10.0, label: "rejected", highest }.frame(&mut svg);
            assert!(svg.contains(told), "{svg}");
        }
    }
}
