#include <cstdio>

#include "commands.hpp"
#include "files.hpp"
#include "tenzo/io/progress.hpp"
#include "zo_run.hpp"

namespace zo_llm {

using namespace tenzo;

int replay(const Replay& o) {
  apply_machine_options(o);
  require(!o.save.empty(), "replay wants --save OUT");
  check_save(o.save, o.save_type);
  const zo::Log log = zo::Log::read(o.log);
  LanguageModel base = load_language_model(o.model, WeightFormat::file);
  const ZoSettings settings = ZoSettings::from_header(log.header, base.hash, o.log);
  if (settings.format != WeightFormat::file) base = load_language_model(o.model, settings.format);
  ZoRun run(base.model, settings);
  {
    Progress bar("replaying", std::int64_t(log.steps.size()));
    for (const zo::LogStep& s : log.steps) {
      run.apply(s);
      bar.update(run.step());
    }
  }
  merge_adapters(base.model);
  save_model(base, base.model, o.save, o.save_type);
  std::printf("replayed %u steps into %s\n", run.step(), o.save.c_str());
  return 0;
}

}  // namespace zo_llm
