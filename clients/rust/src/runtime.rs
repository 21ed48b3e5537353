//! The runtimes: where the driver runs, and its timer.

use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

/// A future that somebody else polls.
pub(crate) type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A timer of the runtime that the driver runs on.
pub(crate) enum Timer {
    #[cfg(feature = "tokio")]
    Tokio,
    #[cfg(feature = "zruntime")]
    ZRuntime(zruntime::SharedRuntime),
}

impl Timer {
    /// That of the present runtime: Tokio's where one is current, else the one of zbus.
    fn new() -> io::Result<Timer> {
        #[cfg(feature = "tokio")]
        if tokio::runtime::Handle::try_current().is_ok() {
            return Ok(Timer::Tokio);
        }
        #[cfg(feature = "zruntime")]
        return Ok(Timer::ZRuntime(zruntime::SharedRuntime::current()?));
        #[cfg(not(feature = "zruntime"))]
        Err(io::Error::other("no Tokio runtime is current"))
    }

    pub(crate) fn sleep(&self, duration: Duration) -> Boxed<()> {
        match self {
            #[cfg(feature = "tokio")]
            Timer::Tokio => Box::pin(tokio::time::sleep(duration)),
            #[cfg(feature = "zruntime")]
            Timer::ZRuntime(runtime) => Box::pin(runtime.sleep(duration)),
        }
    }
}

/// Starts the driver on the present runtime, or on a thread of its own if there is none.
pub(crate) fn start(driver: impl FnOnce(Timer) -> Boxed<()> + Send + 'static) -> io::Result<()> {
    #[cfg(feature = "tokio")]
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        runtime.spawn(driver(Timer::Tokio));
        return Ok(());
    }
    #[cfg(feature = "zruntime")]
    {
        let timer = Timer::new()?;
        zruntime::spawn(driver(timer)).detach();
        Ok(())
    }
    #[cfg(not(feature = "zruntime"))]
    start_thread(driver)
}

/// Starts the driver on a thread of its own.
pub(crate) fn start_thread(
    driver: impl FnOnce(Timer) -> Boxed<()> + Send + 'static,
) -> io::Result<()> {
    let driver = async {
        // Without one there is nothing that could be done; the driver says so when it is dropped.
        if let Ok(timer) = Timer::new() {
            driver(timer).await;
        }
    };
    let thread = thread::Builder::new().name("playhead".to_owned());
    #[cfg(feature = "zruntime")]
    thread.spawn(move || zruntime::block_on(driver))?;
    #[cfg(not(feature = "zruntime"))]
    {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        thread.spawn(move || runtime.block_on(driver))?;
    }
    Ok(())
}

/// Waits for something that another thread brings about.
pub(crate) fn wait<T>(future: impl Future<Output = T>) -> T {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(result) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return result;
        }
        thread::park();
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
