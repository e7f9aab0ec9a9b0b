//! Sets that only ever join: who is connected to whom, and how many they are.

/// Numbers from 0 on, divided into sets.
#[derive(Debug, Clone, Default)]
pub(super) struct Disjoint {
    parent: Vec<usize>,
    size: Vec<usize>,
}

impl Disjoint {
    pub(super) fn new(len: usize) -> Self {
        Self { parent: (0..len).collect(), size: vec![1; len] }
    }

    /// One more number, a set of its own.
    pub(super) fn add(&mut self) -> usize {
        self.parent.push(self.parent.len());
        self.size.push(1);
        self.parent.len() - 1
    }

    /// The number that stands for the set.
    pub(super) fn root(&mut self, mut i: usize) -> usize {
        while self.parent[i] != i {
            self.parent[i] = self.parent[self.parent[i]];
            i = self.parent[i];
        }
        i
    }

    pub(super) fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        if a == b {
            return;
        }
        let (large, small) = if self.size[a] >= self.size[b] { (a, b) } else { (b, a) };
        self.parent[small] = large;
        self.size[large] += self.size[small];
    }

    /// How many are in the set.
    pub(super) fn size(&mut self, i: usize) -> usize {
        let root = self.root(i);
        self.size[root]
    }
}
