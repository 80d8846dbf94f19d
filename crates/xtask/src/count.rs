//! Counts tests from what their runners print.

use std::fmt;

/// How many tests did what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Count {
    /// Tests that passed, without those that were skipped for want of a component.
    pub(crate) passed: u64,
    /// Tests that failed or were stopped for taking too long.
    pub(crate) failed: u64,
    /// Tests that did not run for want of a component.
    pub(crate) skipped: u64,
}

impl Count {
    /// Adds what a line of output says: a summary of `cargo nextest`, or one of `cargo test`.
    ///
    /// `cargo nextest` shows the output of a failed test indented, with the result line of the
    /// harness that ran that one test.
    pub(crate) fn read(&mut self, line: &str) {
        if !(line.trim_start().starts_with("Summary [") || line.starts_with("test result:")) {
            return;
        }
        let words: Vec<_> = line
            .split([' ', ',', ';'])
            .filter(|word| !word.is_empty())
            .collect();
        for pair in words.windows(2) {
            let [number, word] = pair else { continue };
            let Ok(number) = number.parse::<u64>() else {
                continue;
            };
            match *word {
                "passed" => self.passed += number,
                "failed" | "timed" => self.failed += number,
                _ => {}
            }
        }
    }

    /// Moves tests that returned early from the passed ones to the skipped ones.
    pub(crate) fn skip(&mut self, number: u64) {
        let number = number.min(self.passed);
        self.passed -= number;
        self.skipped += number;
    }
}

impl fmt::Display for Count {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            passed,
            failed,
            skipped,
        } = self;
        write!(
            formatter,
            "{passed} passed, {failed} failed, {skipped} skipped"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summaries_of_both_runners_are_counted_and_other_lines_are_not() {
        for (line, passed, failed) in [
            (
                "     Summary [   0.004s] 2 tests run: 1 passed, 1 failed, 0 skipped",
                1,
                1,
            ),
            (
                "     Summary [   9.1s] 9/12 tests run: 5 passed (2 slow, 1 leaky), 3 failed, 1 timed out, 3 skipped",
                5,
                4,
            ),
            (
                "     Summary [   0.1s] 3 tests run: 3 passed, 0 skipped",
                3,
                0,
            ),
            (
                "test result: ok. 7 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s",
                7,
                0,
            ),
            (
                "test result: FAILED. 6 passed; 2 failed; 0 ignored; 0 measured",
                6,
                2,
            ),
            (
                "    test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured",
                0,
                0,
            ),
            ("the job said: 5 passed, 5 failed", 0, 0),
        ] {
            let mut count = Count::default();
            count.read(line);
            assert_eq!((count.passed, count.failed), (passed, failed), "{line}");
        }
    }

    #[test]
    fn skipped_tests_do_not_count_as_passed() {
        let mut count = Count {
            passed: 5,
            failed: 1,
            skipped: 0,
        };
        count.skip(2);
        assert_eq!(count.to_string(), "3 passed, 1 failed, 2 skipped");
    }
}
