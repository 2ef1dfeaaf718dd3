// command_line.h: for tests: whole command lines against a service in memory.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "apps/vds/fake_gateway.h"
#include "apps/vds/run.h"

namespace vds::cli {

struct outcome {
  int status;
  std::string out, err;
};

class command_line : public ::testing::Test {
 protected:
  outcome vds(const std::string& words) {
    std::vector<std::string> arguments;
    std::istringstream in(words);
    for (std::string w; in >> w;) arguments.push_back(w);
    return vds_words(arguments);
  }
  outcome vds_words(const std::vector<std::string>& arguments) {
    std::ostringstream out, err;
    const environment env{out,
                          err,
                          [this](std::string_view) { return where; },
                          [this](const std::string&) { return std::make_unique<fake_gateway>(store); },
                          stop,
                          [this](const std::string& q) {
                            asked = q;
                            return answer;
                          }};
    const int status = run(arguments, env);
    return {status, out.str(), err.str()};
  }
  nlohmann::json vds_json(const std::string& words) {
    const auto got = vds("--json " + words);
    EXPECT_EQ(got.status, 0) << got.err;
    EXPECT_EQ(got.err, "");
    return nlohmann::json::parse(got.out);
  }
  static std::vector<std::string> keys(const std::string& text) {
    std::vector<std::string> out;
    const auto doc = nlohmann::ordered_json::parse(text);
    for (const auto& [key, value] : doc.items()) out.push_back(key);
    return out;
  }

  fake_store store;
  terminal where;
  interrupt stop;
  std::string asked;
  bool answer = false;
};

}  // namespace vds::cli
