//! Bytes as a row of choices. When they run out every choice is the first one.

pub struct Feed<'a>(&'a [u8]);

impl<'a> Feed<'a> {
    pub fn new(data: &'a [u8]) -> Feed<'a> {
        Feed(data)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    pub fn flag(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    /// A number in `0..limit`.
    pub fn below(&mut self, limit: usize) -> usize {
        usize::from(self.byte()) % limit
    }

    pub fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())].clone()
    }

    pub fn integer(&mut self) -> i64 {
        i64::from_le_bytes(std::array::from_fn(|_| self.byte()))
    }

    /// A double: mostly a plain position, sometimes any bit pattern.
    pub fn number(&mut self) -> f64 {
        match self.byte() {
            255 => f64::from_bits(self.integer() as u64),
            254 => -1.0,
            253 => f64::MAX,
            n => f64::from(n) / 4.0,
        }
    }

    /// A short text of the bytes that follow.
    pub fn text(&mut self) -> String {
        let length = self.below(24).min(self.0.len());
        let (text, rest) = self.0.split_at(length);
        self.0 = rest;
        String::from_utf8_lossy(text).into_owned()
    }
}
