//! Stories, and the worlds that they run in.
//!
//! A quick story shares a world with others of its shape; one that breaks things has its own. The
//! list holds what can run here: the worlds on `PostgreSQL` and Kafka need both, long stories need
//! `TEST_ALL`. The checker looks at each shared world when its stories are over.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use futures::future::BoxFuture;
use libtest_mimic::{Arguments, Trial};
use tokio::runtime::Runtime;
use tokio::sync::{OnceCell, Semaphore, SemaphorePermit};

use crate::world::{Settings, Shape, World};

/// Processes of worlds of their own that may run at the same time.
const PROCESSES: u32 = 12;
/// Stories that run at the same time, unless said otherwise.
const STORIES: usize = 8;

type InShared = for<'a> fn(&'a World) -> BoxFuture<'a, ()>;
type InOwn = Arc<dyn Fn(Shape) -> BoxFuture<'static, ()> + Send + Sync>;
type Shared = Arc<OnceCell<World>>;

/// A test: a sentence that is to be true in some worlds.
#[derive(Clone)]
pub struct Story {
    name: String,
    body: Body,
    shapes: Vec<Shape>,
    is_long: bool,
    is_alone: bool,
    programs: &'static [&'static str],
    variables: &'static [&'static str],
}

#[derive(Clone)]
enum Body {
    Shared(InShared),
    Own(InOwn),
}

impl Story {
    /// A story that leaves nothing behind which would disturb others.
    pub fn shared(name: &str, body: InShared) -> Self {
        Self::new(name, Body::Shared(body))
    }

    /// A story that makes its own world.
    pub fn own(
        name: &str,
        body: impl Fn(Shape) -> BoxFuture<'static, ()> + Send + Sync + 'static,
    ) -> Self {
        Self::new(name, Body::Own(Arc::new(body)))
    }

    fn new(name: &str, body: Body) -> Self {
        Self {
            name: name.to_owned(),
            body,
            shapes: Shape::ALL.into(),
            is_long: false,
            is_alone: false,
            programs: &[],
            variables: &[],
        }
    }

    /// Only where these programs are on the `PATH`.
    #[must_use]
    pub fn needing(mut self, programs: &'static [&'static str]) -> Self {
        self.programs = programs;
        self
    }

    /// Only where these variables say what it needs.
    #[must_use]
    pub fn told(mut self, variables: &'static [&'static str]) -> Self {
        self.variables = variables;
        self
    }

    /// Only in these shapes.
    #[must_use]
    pub fn only(mut self, shapes: &[Shape]) -> Self {
        self.shapes = shapes.into();
        self
    }

    /// Only when all is asked for.
    #[must_use]
    pub fn long(mut self) -> Self {
        self.is_long = true;
        self
    }

    /// It hurts what all worlds stand on: nothing else runs meanwhile, and it needs the means to.
    #[must_use]
    pub fn alone(mut self) -> Self {
        self.is_alone = true;
        self
    }

    fn is_listed(&self) -> bool {
        let has = |name: &str| crate::variable(name).is_some();
        (!self.is_long || has("TEST_ALL"))
            && (!self.is_alone || has("TEST_SERVICES"))
            && self.programs.iter().all(|program| is_on_path(program))
            && self.variables.iter().all(|name| has(name))
    }

    fn trial(&self, shape: Shape, shared: &Shared) -> Trial {
        let name = format!("{}::{}", shape.name(), self.name);
        let (this, shared) = (self.clone(), shared.clone());
        Trial::test(name, move || {
            runtime().block_on(this.play(shape, &shared));
            Ok(())
        })
    }

    async fn play(&self, shape: Shape, shared: &Shared) {
        match &self.body {
            Body::Shared(body) => {
                let start = || Box::pin(World::start(Settings::of(shape).slots(64).traced()));
                body(shared.get_or_init(start).await).await;
            }
            Body::Own(body) => {
                let _room = room(shape, self.is_alone).await;
                body(shape).await;
            }
        }
    }
}

fn is_on_path(program: &str) -> bool {
    let path = crate::variable("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// Makes stories of functions that take a shared world.
#[macro_export]
macro_rules! shared {
    ($($name:ident),* $(,)?) => {
        vec![$($crate::Story::shared(stringify!($name), |world| Box::pin($name(world)))),*]
    };
}

/// Makes stories of functions that take a shape and make their own world.
#[macro_export]
macro_rules! own {
    ($($name:ident),* $(,)?) => {
        vec![$($crate::Story::own(stringify!($name), |shape| Box::pin($name(shape)))),*]
    };
}

/// Runs stories as the command line says, and then the checker.
pub fn run_suite(stories: &[Story]) -> ExitCode {
    let mut args = Arguments::from_args();
    args.test_threads.get_or_insert(STORIES);
    let shapes = Shape::ALL.into_iter().filter(|shape| shape.is_possible());
    let worlds: BTreeMap<Shape, Shared> = shapes.map(|shape| (shape, Shared::default())).collect();
    let listed = stories.iter().filter(|story| story.is_listed());
    let mut trials = Vec::new();
    for story in listed {
        let at_home = worlds
            .iter()
            .filter(|(shape, _)| story.shapes.contains(shape));
        trials.extend(at_home.map(|(shape, shared)| story.trial(*shape, shared)));
    }
    let told = libtest_mimic::run(&args, trials);
    let checks: Vec<Trial> = worlds
        .into_iter()
        .filter_map(|(shape, shared)| Some((shape, Arc::into_inner(shared)?.into_inner()?)))
        .map(|(shape, world)| check(shape, world, told.has_failed()))
        .collect();
    if checks.is_empty() {
        return told.exit_code();
    }
    args.filter = None;
    args.skip.clear();
    let checked = libtest_mimic::run(&args, checks);
    if told.has_failed() {
        told.exit_code()
    } else {
        checked.exit_code()
    }
}

fn check(shape: Shape, mut world: World, has_failed: bool) -> Trial {
    let name = format!("{}::the_invariants_hold", shape.name());
    Trial::test(name, move || {
        runtime().block_on(async {
            if has_failed {
                world.tell();
            }
            world.finish().await;
        });
        Ok(())
    })
}

/// The runtime of all stories: clients and connections are shared between them.
fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Runtime::new().expect("a runtime can be made"))
}

/// Waits until this machine has room for another world.
async fn room(shape: Shape, is_alone: bool) -> SemaphorePermit<'static> {
    static ROOM: Semaphore = Semaphore::const_new(PROCESSES as usize);
    let processes = match shape {
        _ if is_alone => PROCESSES,
        Shape::Spread => 6,
        Shape::Embedded | Shape::Joined => 2,
    };
    ROOM.acquire_many(processes)
        .await
        .expect("it is never closed")
}
