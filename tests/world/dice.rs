//! Chance from a seed: the same seed throws the same day, on every machine.

/// SplitMix64.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Dice {
        Dice(seed ^ 0x5851_f42d_4c95_7f2d)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A whole number in `from..=to`.
    pub fn between(&mut self, from: i64, to: i64) -> i64 {
        from + (self.next() % (to - from + 1) as u64) as i64
    }

    /// True this often in a hundred.
    pub fn percent(&mut self, often: i64) -> bool {
        self.between(0, 99) < often
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.between(0, from.len() as i64 - 1) as usize]
    }

    /// One of these, each as likely as its weight says.
    pub fn weighted<T: Copy>(&mut self, from: &[(i64, T)]) -> T {
        let mut left = self.between(0, from.iter().map(|(w, _)| w).sum::<i64>() - 1);
        for (weight, one) in from {
            if left < *weight {
                return *one;
            }
            left -= weight;
        }
        from[0].1
    }

    /// Milliseconds on every scale: instants that touch, seconds, minutes, long pauses.
    pub fn gap(&mut self) -> i64 {
        match self.weighted(&[(10, 0), (25, 1), (40, 2), (20, 3), (5, 4)]) {
            0 => self.between(1, 40),
            1 => self.between(40, 2_000),
            2 => self.between(2_000, 30_000),
            3 => self.between(30_000, 300_000),
            _ => self.between(300_000, 2_400_000),
        }
    }
}
