// replay_main.cc: runs a fuzz target over its corpus without libFuzzer: every file whole, and cut at every length
// (all lengths up to 512 bytes, then in steps), so that the corpus guards every build and not only clang's.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {
// A heap copy of exactly this size, so that ASan sees one byte too many.
void run(const std::vector<char>& bytes, std::size_t length) {
  auto exact = std::make_unique<std::uint8_t[]>(length);
  std::copy_n(bytes.begin(), length, exact.get());
  LLVMFuzzerTestOneInput(exact.get(), length);
}
}  // namespace

int main(int argc, char** argv) {
  std::size_t files = 0, inputs = 0;
  for (int i = 1; i < argc; ++i) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(argv[i])) {
      if (!entry.is_regular_file()) continue;
      std::ifstream in(entry.path(), std::ios::binary);
      std::vector<char> bytes{std::istreambuf_iterator<char>(in), {}};
      const std::size_t step = bytes.size() <= 512 ? 1 : bytes.size() / 512;
      for (std::size_t n = 0; n < bytes.size(); n += step, ++inputs) run(bytes, n);
      run(bytes, bytes.size());
      ++files, ++inputs;
    }
  }
  std::printf("replayed %zu files, %zu inputs\n", files, inputs);
  return files == 0 ? 1 : 0;  // an empty corpus tests nothing
}
