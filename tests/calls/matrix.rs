//! What a fax survives: losses at random and in bursts, with a little disorder and some doubles, in virtual time.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use postfax::pages::{FaxPage, Resolution};
use postfax::proto::sdp::ErrorCorrection;
use postfax::worker::call::trial::{Medium, Trial, Weather};

use crate::figures::Figures;
use crate::pages::Kind;

/// Threads that run trials: the cores that the aims are for.
const THREADS: usize = 2;

/// How losses are repaired.
const REPAIRS: [(&str, Medium); 5] = [
    ("redundancy 0", Medium::T38(ErrorCorrection::Redundancy, 0)),
    ("redundancy 1", Medium::T38(ErrorCorrection::Redundancy, 1)),
    ("redundancy 2", Medium::T38(ErrorCorrection::Redundancy, 2)),
    ("redundancy 3", Medium::T38(ErrorCorrection::Redundancy, 3)),
    ("FEC 3x3", Medium::T38(ErrorCorrection::Fec, 0)),
];

/// Lost of 100 packets, and how many in a row.
const LOSSES: [(&str, f64, u32); 5] = [
    ("1 %", 1.0, 1),
    ("5 %", 5.0, 1),
    ("10 %", 10.0, 1),
    ("20 %", 20.0, 1),
    ("10 % by 3", 10.0, 3),
];

/// Lost of 100 RTP packets.
const AUDIO_LOSSES: [f64; 5] = [0.0, 0.1, 0.5, 1.0, 2.0];

/// Runs all of it.
pub fn measure(figures: &mut Figures) -> anyhow::Result<()> {
    let calls = crate::setting("CALLS", 20)?;
    let page = [Kind::Letter.page(Resolution::Fine)];
    let mut cells = Vec::new();
    for ecm in [true, false] {
        for (_, medium) in REPAIRS {
            for (_, loss, burst) in LOSSES {
                cells.push(Cell::new(&page, medium, ecm, loss, burst));
            }
        }
    }
    for ecm in [true, false] {
        for loss in AUDIO_LOSSES {
            cells.push(Cell::new(&page, Medium::Audio, ecm, loss, 1));
        }
    }
    let arrived = run(&cells, calls)?;
    let (t38, audio) = arrived.split_at(2 * REPAIRS.len() * LOSSES.len());
    print(t38, audio, calls);
    let row = |name: &str| REPAIRS.iter().position(|(repair, _)| *repair == name);
    let (red3, fec) = (row("redundancy 3"), row("FEC 3x3"));
    let cell = |row: Option<usize>, column: usize| {
        let n = t38[row.expect("it is in the table") * LOSSES.len() + column];
        format!("{n}/{calls}")
    };
    figures.note("loss20_red3", cell(red3, 3));
    figures.note("burst10_red3", cell(red3, 4));
    figures.note("loss20_fec", cell(fec, 3));
    figures.note("audio05", format!("{}/{calls}", audio[2]));
    Ok(())
}

fn print(t38: &[usize], audio: &[usize], calls: usize) {
    println!("Of {calls} faxes of one page through 1 % disorder and 1 % doubles and these losses:");
    let names = LOSSES.map(|(name, ..)| format!("{name:>10}"));
    let tables = t38.chunks(REPAIRS.len() * LOSSES.len());
    for (ecm, table) in ["with ECM", "without ECM"].into_iter().zip(tables) {
        println!("{:<22}{}", format!("T.38 {ecm}"), names.concat());
        for ((repair, _), row) in REPAIRS.iter().zip(table.chunks(LOSSES.len())) {
            let row: String = row.iter().map(|n| format!("{n:>10}")).collect();
            println!("  {repair:<20}{row}");
        }
    }
    let names = AUDIO_LOSSES.map(|loss| format!("{:>10}", format!("{loss} %")));
    println!("{:<22}{}", "Audio", names.concat());
    let rows = audio.chunks(AUDIO_LOSSES.len());
    for (ecm, row) in ["with ECM", "without ECM"].into_iter().zip(rows) {
        let row: String = row.iter().map(|n| format!("{n:>10}")).collect();
        println!("  {ecm:<20}{row}");
    }
    println!();
}

/// Faxes under the same conditions.
struct Cell<'a>(Trial<'a>);

impl Cell<'_> {
    fn new(pages: &[FaxPage], medium: Medium, ecm: bool, loss: f64, burst: u32) -> Cell<'_> {
        let weather = Weather {
            loss,
            burst,
            twice: 1.0,
            late: 1.0,
            // Behind the next packet, and the one after it.
            lateness: 7,
            seed: 0,
        };
        Cell(Trial {
            pages,
            medium,
            ecm,
            t85: false,
            weather,
        })
    }

    fn arrives(&self, seed: usize) -> std::io::Result<bool> {
        let mut trial = self.0.clone();
        trial.weather.seed = seed as u64 + 1;
        Ok(trial.run()?.is_success())
    }
}

/// How many arrived in each cell.
fn run(cells: &[Cell<'_>], calls: usize) -> anyhow::Result<Vec<usize>> {
    let arrived: Vec<AtomicUsize> = cells.iter().map(|_| AtomicUsize::new(0)).collect();
    let next = AtomicUsize::new(0);
    let trouble = Mutex::new(Ok(()));
    let work = || {
        loop {
            let n = next.fetch_add(1, Relaxed);
            let Some(cell) = cells.get(n / calls) else {
                return;
            };
            match cell.arrives(n % calls) {
                Ok(arrives) => {
                    arrived[n / calls].fetch_add(usize::from(arrives), Relaxed);
                }
                Err(e) => *trouble.lock().expect("nobody panics with it") = Err(e),
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(work);
        }
    });
    trouble.into_inner().expect("nobody panics with it")?;
    Ok(arrived.into_iter().map(AtomicUsize::into_inner).collect())
}
