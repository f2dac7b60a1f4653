//! Sentences of an office, for which a reader's dictionary is of some help, as it is for real ones.

const WORDS: &str = "the please invoice number of attached order and delivery date account contract between parties \
    shall payment within thirty days after receipt goods were damaged during transport insurance policy holder claims \
    office hours Monday through Friday patient name address telephone hospital referral doctor laboratory results blood \
    pressure medication prescribed twice daily court hearing scheduled witness statement signed original copy returned \
    bank transfer amount interest rate annual report board meeting minutes approved customs declaration container port \
    of loading weight kilograms packages marked fragile keep dry municipal council building permit application fee \
    received stamped archive reference your letter our previous agreement terms conditions apply without notice quantity \
    price total including tax discount granted early warehouse driver signature confirmed department manager sincerely \
    regards request information regarding status pending approval document section paragraph page schedule appendix";

/// Words at random, the same for the same seed.
pub struct Words {
    all: Vec<&'static str>,
    random: fastrand::Rng,
}

impl Words {
    pub fn new(seed: u64) -> Words {
        Words {
            all: WORDS.split_whitespace().collect(),
            random: fastrand::Rng::with_seed(seed),
        }
    }

    /// One word.
    pub fn word(&mut self) -> &'static str {
        let n = self.random.usize(..self.all.len());
        self.all[n]
    }

    /// A line of about so many characters, with a figure here and there.
    pub fn line(&mut self, characters: usize) -> String {
        let mut line = String::new();
        loop {
            let word = match self.random.u8(..12) {
                0 => self.figure(),
                _ => self.word().to_owned(),
            };
            if line.len() + word.len() > characters {
                return line.trim_end().to_owned();
            }
            line.push_str(&word);
            line.push_str(if self.random.u8(..14) == 0 { ", " } else { " " });
        }
    }

    pub fn lines(&mut self, count: usize, characters: usize) -> Vec<String> {
        (0..count).map(|_| self.line(characters)).collect()
    }

    /// An amount of money or a number.
    pub fn figure(&mut self) -> String {
        match self.random.bool() {
            true => format!(
                "{},{:03}.{:02}",
                self.random.u32(1..99),
                self.random.u32(..1000),
                self.random.u32(..100)
            ),
            false => self.random.u32(100..99_999).to_string(),
        }
    }

    /// From 0 to below 1.
    pub fn share(&mut self) -> f64 {
        self.random.f64()
    }
}
