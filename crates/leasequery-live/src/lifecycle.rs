use tokio::sync::watch;

/// Ends all parts of a program. Dropped, it ends them too.
#[derive(Debug)]
pub struct Lifecycle(watch::Sender<bool>);

/// What every part looks at to know whether it goes on.
#[derive(Debug, Clone)]
pub struct Running(watch::Receiver<bool>);

impl Lifecycle {
    /// Everything goes on.
    pub fn new() -> Self {
        Self(watch::Sender::new(false))
    }

    /// For a part.
    pub fn running(&self) -> Running {
        Running(self.0.subscribe())
    }

    /// Ends everything.
    pub fn end(&self) {
        self.0.send_replace(true);
    }
}

impl Default for Lifecycle {
    fn default() -> Self {
        Self::new()
    }
}

impl Running {
    /// Whether it has ended.
    pub fn is_over(&self) -> bool {
        *self.0.borrow() || self.0.has_changed().is_err()
    }

    /// Waits until it ends.
    pub async fn over(&mut self) {
        // A sender that is gone is the end, too.
        let _ = self.0.wait_for(|over| *over).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn all_parts_end_with_it() {
        let lifecycle = Lifecycle::new();
        let (mut one, other) = (lifecycle.running(), lifecycle.running());
        assert!(!one.is_over() && !other.is_over());
        lifecycle.end();
        one.over().await;
        assert!(one.is_over() && other.is_over());
        let dropped = Lifecycle::new().running();
        assert!(dropped.is_over());
    }
}
