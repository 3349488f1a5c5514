//! The caller's hooks as an [`Observer`].

use std::ops::ControlFlow;

use js_sys::{Float32Array, Function, Promise, Reflect};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

use super::answers::sizes;
use crate::{Observer, Stage};

/// Functions have no Rust struct that their types could be made of.
#[wasm_bindgen(typescript_custom_section)]
const HOOKS: &str = r#"
/** What a caller may watch, and stop, while a call runs. */
export interface Hooks {
  /** A stage begins; batch after batch passes through them, so that each comes again. */
  stage?(name: "load" | "check" | "measure" | "tokenize" | "encode" | "score" | "explain" | "convert"): void;
  /** The stage of a ranking at this place, from 0, begins. It ranks these documents, which have this order by then. */
  ranking?(place: number, left: Uint32Array): void;
  /** The last stage of a ranking has scored these documents. No score goes beyond `bound`, if there is such a number. */
  scored?(indices: Uint32Array, scores: Float32Array, bound?: number): void;
  /** Asked at each pause of a ranking: whether time is over, so that it answers with what it has scored. */
  over?(): boolean;
  /** `done` of `total` texts are ranked or encoded, or steps of a conversion done. `false` stops the call with code ABORTED. */
  batch?(done: number, total: number): boolean | Promise<boolean>;
  /** Asked between layers, texts and blocks of a conversion: `false` stops the call. A promise is waited for, a boolean costs nothing. */
  pause?(): boolean | Promise<boolean>;
}
"#;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(typescript_type = "Hooks")]
    pub type JsHooks;
}

/// Passes stages, batches and pauses to the caller's hooks, where it has any.
pub(super) struct JsObserver {
    hooks: JsHooks,
    stage: Option<Function>,
    ranking: Option<Function>,
    scored: Option<Function>,
    over: Option<Function>,
    batch: Option<Function>,
    pause: Option<Function>,
}

impl JsObserver {
    pub(super) fn new(hooks: JsHooks) -> Self {
        let hook =
            |name: &str| Reflect::get(&hooks, &JsValue::from_str(name)).ok()?.dyn_into().ok();
        Self {
            stage: hook("stage"),
            ranking: hook("ranking"),
            scored: hook("scored"),
            over: hook("over"),
            batch: hook("batch"),
            pause: hook("pause"),
            hooks,
        }
    }
}

impl Observer for JsObserver {
    fn stage(&mut self, stage: Stage) {
        if let Some(hook) = &self.stage {
            // A hook that throws is the caller's affair; the call goes on.
            let _ = hook.call1(&self.hooks, &JsValue::from_str(stage.name()));
        }
    }

    fn ranking(&mut self, place: usize, left: &[usize]) {
        if let Some(hook) = &self.ranking {
            let left = sizes(left.iter().copied());
            let _ = hook.call2(&self.hooks, &JsValue::from(place as u32), &left);
        }
    }

    fn scored(&mut self, scores: &[(usize, f32)], bound: Option<f32>) {
        if let Some(hook) = &self.scored {
            let (indices, scores): (Vec<usize>, Vec<f32>) = scores.iter().copied().unzip();
            let scores = Float32Array::from(scores.as_slice());
            let bound = bound.map_or(JsValue::UNDEFINED, JsValue::from);
            let _ = hook.call3(&self.hooks, &sizes(indices), &scores, &bound);
        }
    }

    fn is_over(&self) -> bool {
        let answer = self.over.as_ref().and_then(|hook| hook.call0(&self.hooks).ok());
        answer.is_some_and(|answer| answer == JsValue::TRUE)
    }

    async fn batch_done(&mut self, done: usize, total: usize) -> ControlFlow<()> {
        let Some(hook) = &self.batch else {
            return ControlFlow::Continue(());
        };
        answer(hook.call2(&self.hooks, &JsValue::from(done as u32), &JsValue::from(total as u32)))
            .await
    }

    async fn pause(&mut self) -> ControlFlow<()> {
        match &self.pause {
            Some(hook) => answer(hook.call0(&self.hooks)).await,
            None => ControlFlow::Continue(()),
        }
    }

    fn now_ms(&self) -> f64 {
        js_sys::Date::now()
    }
}

/// `false`, or a promise of it, stops, and so does a hook that throws. Only a promise is waited for: most pauses answer at once.
async fn answer(answer: Result<JsValue, JsValue>) -> ControlFlow<()> {
    let answer = match answer.map(JsCast::dyn_into::<Promise>) {
        Ok(Ok(promise)) => JsFuture::from(promise).await,
        Ok(Err(value)) => Ok(value),
        Err(error) => Err(error),
    };
    match answer {
        Ok(value) if value != JsValue::FALSE => ControlFlow::Continue(()),
        _ => ControlFlow::Break(()),
    }
}
