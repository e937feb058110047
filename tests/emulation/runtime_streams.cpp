#include "runtime_streams.hpp"

#include <chrono>
#include <memory>
#include <set>
#include <vector>

#include "linkage.hpp"

namespace tenzo::emulation {

TENZO_IN_LIBRARY Handles& handles() {
  static auto* const h = new Handles;
  return *h;
}

inline cudaError_t no_event(const char* call) {
  return refuse(cudaErrorInvalidResourceHandle, call, ": not an event, or destroyed");
}

/// All streams leave the capture of this graph.
inline void end_capture(const CUgraph_st* graph) {
  for (CUstream_st* s : Queue::instance().streams)
    if (s->capture == graph) s->capture = nullptr, s->captured = nullptr;
}

}  // namespace tenzo::emulation

// ── streams ──────────────────────────────────────────────────────────────────────────────────────────────────────────

TENZO_IN_LIBRARY cudaError_t cudaStreamCreateWithFlags(cudaStream_t* s, unsigned flags) {
  const tenzo::emulation::Call call;
  tenzo::emulation::Queue& q = tenzo::emulation::Queue::instance();
  *s = new CUstream_st{q.take_strands()};
  (*s)->blocking = !(flags & cudaStreamNonBlocking);
  q.streams.insert(*s);
  return cudaSuccess;
}
TENZO_IN_LIBRARY cudaError_t cudaStreamCreate(cudaStream_t* s) {
  return cudaStreamCreateWithFlags(s, cudaStreamDefault);
}
TENZO_IN_LIBRARY cudaError_t cudaStreamDestroy(cudaStream_t s) {
  using namespace tenzo::emulation;
  const Call call;
  Queue& q = Queue::instance();
  if (!q.streams.contains(s)) return no_stream("cudaStreamDestroy");
  if (s->capture) return refuse(cudaErrorStreamCaptureUnsupported, "cudaStreamDestroy: the stream is being captured");
  q.streams.erase(s);
  q.give_strands(s->strands);
  delete s;
  return cudaSuccess;
}
TENZO_IN_LIBRARY cudaError_t cudaStreamSynchronize(cudaStream_t s) {
  using namespace tenzo::emulation;
  const Call call;
  const CUstream_st* const stream = find_stream(s);
  if (!stream) return no_stream("cudaStreamSynchronize");
  if (const auto e = not_in_capture("cudaStreamSynchronize")) return e;
  Queue::instance().finish(*stream);
  return cudaPeekAtLastError();
}
TENZO_IN_LIBRARY cudaError_t cudaStreamQuery(cudaStream_t s) {
  using namespace tenzo::emulation;
  const Call call;
  const CUstream_st* const stream = find_stream(s);
  if (!stream) return no_stream("cudaStreamQuery");
  if (const auto e = not_in_capture("cudaStreamQuery")) return e;
  if (!Queue::instance().ask(stream->last)) return cudaErrorNotReady;
  return cudaPeekAtLastError();
}

// ── events ───────────────────────────────────────────────────────────────────────────────────────────────────────────

TENZO_IN_LIBRARY cudaError_t cudaEventCreateWithFlags(cudaEvent_t* e, unsigned) {
  const tenzo::emulation::Call call;
  *e = new CUevent_st;
  tenzo::emulation::handles().events.insert(*e);
  return cudaSuccess;
}
TENZO_IN_LIBRARY cudaError_t cudaEventCreate(cudaEvent_t* e) { return cudaEventCreateWithFlags(e, cudaEventDefault); }
TENZO_IN_LIBRARY cudaError_t cudaEventDestroy(cudaEvent_t e) {
  using namespace tenzo::emulation;
  const Call call;
  if (handles().events.erase(e) == 0) return no_event("cudaEventDestroy");
  delete e;
  return cudaSuccess;
}
TENZO_IN_LIBRARY cudaError_t cudaEventRecord(cudaEvent_t e, cudaStream_t s) {
  using namespace tenzo::emulation;
  const Call call;
  CUstream_st* const stream = find_stream(s);
  if (!stream) return no_stream("cudaEventRecord");
  if (!handles().events.contains(e)) return no_event("cudaEventRecord");
  e->mark = Queue::instance().mark(*stream);
  e->capture = stream->capture;
  return cudaSuccess;
}
TENZO_IN_LIBRARY cudaError_t cudaStreamWaitEvent(cudaStream_t s, cudaEvent_t e, unsigned) {
  using namespace tenzo::emulation;
  const Call call;
  CUstream_st* const stream = find_stream(s);
  if (!stream) return no_stream("cudaStreamWaitEvent");
  if (!handles().events.contains(e)) return no_event("cudaStreamWaitEvent");
  if (!e->mark) return cudaSuccess;
  if (e->capture && !stream->capture) stream->capture = e->capture;  // the stream joins the capture
  if (stream->capture != e->capture) {
    stream->capture->broken = true;
    return refuse(cudaErrorStreamCaptureIsolation, "cudaStreamWaitEvent: the event is not of the capture");
  }
  Queue::instance().mark(*stream, {e->mark});
  return cudaSuccess;
}
TENZO_IN_LIBRARY cudaError_t cudaEventSynchronize(cudaEvent_t e) {
  using namespace tenzo::emulation;
  const Call call;
  if (!handles().events.contains(e)) return no_event("cudaEventSynchronize");
  if (e->capture) return refuse(cudaErrorCapturedEvent, "cudaEventSynchronize: the event was recorded in a capture");
  if (const auto error = not_in_capture("cudaEventSynchronize")) return error;
  Queue::instance().finish(e->mark);
  return cudaPeekAtLastError();
}
TENZO_IN_LIBRARY cudaError_t cudaEventQuery(cudaEvent_t e) {
  using namespace tenzo::emulation;
  const Call call;
  if (!handles().events.contains(e)) return no_event("cudaEventQuery");
  if (e->capture) return refuse(cudaErrorCapturedEvent, "cudaEventQuery: the event was recorded in a capture");
  if (!Queue::instance().ask(e->mark)) return cudaErrorNotReady;
  return cudaPeekAtLastError();
}
TENZO_IN_LIBRARY cudaError_t cudaEventElapsedTime(float* ms, cudaEvent_t a, cudaEvent_t b) {
  using namespace tenzo::emulation;
  const Call call;
  if (!handles().events.contains(a) || !handles().events.contains(b)) return no_event("cudaEventElapsedTime");
  if (!a->mark || !b->mark || a->capture || b->capture)
    return refuse(cudaErrorInvalidResourceHandle, "cudaEventElapsedTime: an event was not recorded");
  if (!a->mark->done || !b->mark->done) return cudaErrorNotReady;
  *ms = std::chrono::duration<float, std::milli>(b->mark->time - a->mark->time).count();
  return cudaSuccess;
}

// ── graphs ───────────────────────────────────────────────────────────────────────────────────────────────────────────

TENZO_IN_LIBRARY cudaError_t cudaStreamBeginCapture(cudaStream_t s, cudaStreamCaptureMode) {
  using namespace tenzo::emulation;
  const Call call;
  CUstream_st* const stream = find_stream(s);
  if (!stream) return no_stream("cudaStreamBeginCapture");
  if (stream == &Queue::instance().legacy || stream->capture)
    return refuse(cudaErrorStreamCaptureUnsupported, "cudaStreamBeginCapture: the legacy stream, or captured already");
  stream->capture = new CUgraph_st{{}, std::make_shared<GraphMemory>(), stream};
  return cudaSuccess;
}
TENZO_IN_LIBRARY cudaError_t cudaStreamIsCapturing(cudaStream_t s, cudaStreamCaptureStatus* status) {
  using namespace tenzo::emulation;
  const Call call;
  const CUstream_st* const stream = find_stream(s);
  if (!stream) return no_stream("cudaStreamIsCapturing");
  *status = stream->capture ? cudaStreamCaptureStatusActive : cudaStreamCaptureStatusNone;
  return cudaSuccess;
}
TENZO_IN_LIBRARY cudaError_t cudaStreamEndCapture(cudaStream_t s, cudaGraph_t* graph) {
  using namespace tenzo::emulation;
  const Call call;
  CUstream_st* const stream = find_stream(s);
  *graph = nullptr;
  if (!stream || !stream->capture || stream->capture->origin != stream)
    return refuse(cudaErrorInvalidValue, "cudaStreamEndCapture: the capture did not begin on this stream");
  CUgraph_st* const g = stream->capture;

  // All that was captured must come before the end of the stream that began.
  std::set<const Operation*> joined;
  std::vector<const Operation*> open{stream->captured.get()};
  while (!open.empty()) {
    const Operation* const op = open.back();
    open.pop_back();
    if (op && joined.insert(op).second)
      for (const auto& before : op->after) open.push_back(before.get());
  }
  const bool broken = g->broken, unjoined = joined.size() < g->nodes.size();
  end_capture(g);
  if (broken || unjoined) {
    delete g;
    return broken
               ? refuse(cudaErrorStreamCaptureInvalidated, "cudaStreamEndCapture: a call broke the capture")
               : refuse(cudaErrorStreamCaptureUnjoined,
                        "cudaStreamEndCapture: a stream joined the capture, and the first does not wait for its end");
  }
  handles().graphs.insert(*graph = g);
  return cudaSuccess;
}
TENZO_IN_LIBRARY cudaError_t cudaGraphInstantiate(cudaGraphExec_t* e, cudaGraph_t g, unsigned long long) {
  using namespace tenzo::emulation;
  const Call call;
  if (!handles().graphs.contains(g)) return refuse(cudaErrorInvalidValue, "cudaGraphInstantiate: not a graph");
  handles().executables.insert(*e = new CUgraphExec_st{g->nodes, g->memory});
  return cudaSuccess;
}
TENZO_IN_LIBRARY cudaError_t cudaGraphLaunch(cudaGraphExec_t e, cudaStream_t s) {
  using namespace tenzo::emulation;
  const Call call;
  CUstream_st* const stream = find_stream(s);
  if (!stream) return no_stream("cudaGraphLaunch");
  if (!handles().executables.contains(e)) return refuse(cudaErrorInvalidValue, "cudaGraphLaunch: not a graph");
  if (stream->capture)
    return refuse(cudaErrorStreamCaptureUnsupported, "cudaGraphLaunch: the stream is being captured");
  Queue::instance().issue_graph(*stream, *e);
  return cudaSuccess;
}
TENZO_IN_LIBRARY cudaError_t cudaGraphDestroy(cudaGraph_t g) {
  using namespace tenzo::emulation;
  const Call call;
  if (handles().graphs.erase(g) == 0) return refuse(cudaErrorInvalidValue, "cudaGraphDestroy: not a graph");
  Queue::instance().finish_all();
  delete g;
  return cudaSuccess;
}
TENZO_IN_LIBRARY cudaError_t cudaGraphExecDestroy(cudaGraphExec_t e) {
  using namespace tenzo::emulation;
  const Call call;
  if (handles().executables.erase(e) == 0) return refuse(cudaErrorInvalidValue, "cudaGraphExecDestroy: not a graph");
  Queue::instance().finish_all();
  delete e;
  return cudaSuccess;
}
