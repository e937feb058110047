#include <cstdio>

#include "commands.hpp"
#include "files.hpp"
#include "tenzo/io/progress.hpp"
#include "tenzo/models/peft_export.hpp"
#include "zo_run.hpp"

namespace zo_llm {

using namespace tenzo;

int replay(const Replay& o) {
  apply_machine_options(o);
  require(!o.save.empty() || !o.save_adapter.empty(), "replay wants --save OUT or --save-adapter DIR");
  check_outputs({o.model, o.log}, {o.save, o.save_adapter});
  check_save(o.model, o.save, o.save_type);
  check_folder(o.save_adapter, adapter_files);
  const zo::Log log = zo::Log::read(o.log);
  LanguageModel base = load_language_model(o.model, WeightFormat::file);
  if (log.chosen < 0 && !o.unfinished)
    throw FileError(o.log, std::int64_t(log.valid_bytes),
                    cat("has no end: the run was stopped after ", log.steps.size(),
                        " steps, or the file was cut; --unfinished replays what is there"));
  const ZoSettings settings = ZoSettings::from_header(log.header, base.hash, o.log);
  require(o.dtype == "log" || weight_format(o.dtype) == settings.format, "--dtype ", o.dtype,
          ": the run had another, and its replay has none of its own; leave the option out");
  if (!o.save_adapter.empty()) check_peft(settings.adapters, base.model.depth());
  if (!o.save.empty()) check_merges(settings.adapters.scheme);
  if (settings.format != WeightFormat::file) base = load_language_model(o.model, settings.format);
  Placed model(base.model, device_named(o.device));
  ZoRun run(model, settings);
  {
    const std::int64_t steps = log.chosen < 0 ? std::int64_t(log.steps.size()) : log.chosen;
    Progress bar("replaying", steps);
    for (std::int64_t i = 0; i < steps; ++i) {
      run.apply(log.steps[std::size_t(i)]);
      bar.update(i + 1);
    }
  }
  model.fetch();
  if (!o.save_adapter.empty()) write_peft_adapter(o.save_adapter, base.model, settings.adapters, base.path);
  if (!o.save.empty()) {
    merge_adapters(base.model);
    save_model(base, base.model, o.save, o.save_type);
  }
  std::printf("replayed %u steps into %s\n", run.step_number(), (o.save.empty() ? o.save_adapter : o.save).c_str());
  return 0;
}

}  // namespace zo_llm
